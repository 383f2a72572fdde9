//! [`Failure`]: what a handler returns when it did not succeed.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use super::{ErrorKind, classify};
#[cfg(feature = "jobs")]
use crate::redact::Redactor;

/// What the handler asks for; NAQ's own rules still hold (see `retry::decide`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Advice {
    /// Let the policy decide.
    #[default]
    Policy,
    /// Retry, if the policy allows one, after this delay instead of the policy's own.
    RetryAfter(Duration),
    /// Never retry.
    Fatal,
    /// Run again after this delay, without counting an attempt: nothing went wrong.
    Snooze(Duration),
    /// End the job as `cancelled`.
    Cancel,
}

/// A failed attempt: its kind, its message, and the handler's [`Advice`].
///
/// Every `std::error::Error` turns into one with `?`; see [`JobError`](super::JobError) for how its
/// kind is found, and [`ResultExt`] to name the kind or give advice on the way.
///
/// ```
/// use naq_core::{Failure, ResultExt};
/// use std::time::Duration;
///
/// fn charge(card: &str) -> Result<u32, Failure> {
///     let amount: u32 = card.parse().kind("ValueError")?; // named
///     let _text = std::fs::read_to_string("/no/such/file")?; // any error
///     Err(Failure::new("HTTPError.429", "slow down").retry_after(Duration::from_secs(17)))
/// }
/// assert_eq!(charge("x").unwrap_err().kind().as_str(), "ValueError");
/// ```
///
/// Like `anyhow::Error` it is not itself a `std::error::Error`.
pub struct Failure {
    kind: ErrorKind,
    named: bool,
    message: String,
    advice: Advice,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Failure {
    /// A failure of this kind.
    ///
    /// # Panics
    /// When `kind` is text that is no error kind.
    pub fn new(kind: impl Into<ErrorKind>, message: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            named: true,
            message: message.into(),
            advice: Advice::Policy,
            source: None,
        }
    }

    /// A failure of kind `Error`.
    pub fn msg(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::ERROR, message)
    }

    /// Keeps `err`, with the kind that it has by itself.
    pub fn from_error(err: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let err = err.into();
        let kind = classify::known_kind(err.as_ref()).unwrap_or(ErrorKind::ERROR);
        Self {
            kind,
            named: false,
            message: chain_text(err.as_ref()),
            advice: Advice::Policy,
            source: Some(err),
        }
    }

    /// Run again after `delay`, without counting an attempt. Not an error: "not yet".
    pub fn snooze(delay: Duration) -> Self {
        Self { advice: Advice::Snooze(delay), ..Self::msg("not yet") }
    }

    /// End the job as `cancelled`, for this reason.
    pub fn cancel(reason: impl Into<String>) -> Self {
        Self { advice: Advice::Cancel, ..Self::new(ErrorKind::CANCELLED, reason) }
    }

    /// Never retry this one.
    #[must_use]
    pub fn fatal(mut self) -> Self {
        self.advice = Advice::Fatal;
        self
    }

    /// If there is a retry, make it after `delay`. It counts as an attempt, and the policy's
    /// `max_delay` and jitter are not applied: the service that said "in 17 s" knows best.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.advice = Advice::RetryAfter(delay);
        self
    }

    /// The same failure under another kind.
    ///
    /// # Panics
    /// When `kind` is text that is no error kind.
    #[must_use]
    pub fn with_kind(mut self, kind: impl Into<ErrorKind>) -> Self {
        self.kind = kind.into();
        self.named = true;
        self
    }

    /// The same failure with other advice.
    #[must_use]
    pub fn with_advice(mut self, advice: Advice) -> Self {
        self.advice = advice;
        self
    }

    /// The same failure without the secrets in its message.
    #[cfg(feature = "jobs")]
    #[must_use]
    pub fn redacted(mut self, redactor: &Redactor) -> Self {
        if let std::borrow::Cow::Owned(message) = redactor.redact_text(&self.message) {
            self.message = message;
        }
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Whether somebody named the kind, rather than that it was found by a look at the error.
    pub fn is_named(&self) -> bool {
        self.named
    }

    /// The message, with those of its causes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the handler asks for.
    pub fn advice(&self) -> Advice {
        self.advice
    }

    /// The first error of type `E` among the source and its causes.
    pub fn find<E: StdError + 'static>(&self) -> Option<&E> {
        let source = self.source.as_deref().map(|s| s as &(dyn StdError + 'static));
        std::iter::successors(source, |&err| err.source()).find_map(|err| err.downcast_ref())
    }
}

/// The message of `err` and its causes, without the repetitions that many crates produce.
fn chain_text(err: &(dyn StdError + 'static)) -> String {
    let mut text = err.to_string();
    for cause in std::iter::successors(err.source(), |&e| e.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

impl<E: StdError + Send + Sync + 'static> From<E> for Failure {
    fn from(err: E) -> Self {
        Self::from_error(err)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("advice", &self.advice)
            .finish_non_exhaustive()
    }
}

/// Names the kind of an error, or gives advice, where it passes: `send().await.kind("X")?`.
pub trait ResultExt<T> {
    /// The error, under this kind.
    ///
    /// # Errors
    /// The error it was called on, as a [`Failure`].
    ///
    /// # Panics
    /// When `kind` is text that is no error kind.
    fn kind(self, kind: impl Into<ErrorKind>) -> Result<T, Failure>;

    /// The error, never to be retried.
    ///
    /// # Errors
    /// The error it was called on, as a [`Failure`].
    fn fatal(self) -> Result<T, Failure>;

    /// The error, to be retried after `delay`.
    ///
    /// # Errors
    /// The error it was called on, as a [`Failure`].
    fn retry_after(self, delay: Duration) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> ResultExt<T> for Result<T, E> {
    fn kind(self, kind: impl Into<ErrorKind>) -> Result<T, Failure> {
        self.map_err(|err| err.into().with_kind(kind))
    }

    fn fatal(self) -> Result<T, Failure> {
        self.map_err(|err| err.into().fatal())
    }

    fn retry_after(self, delay: Duration) -> Result<T, Failure> {
        self.map_err(|err| err.into().retry_after(delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_mark_takes_any_error_and_keeps_its_causes() {
        fn read() -> Result<(), Failure> {
            std::fs::read("/no/such/file").map(drop)?;
            Ok(())
        }
        let failure = read().expect_err("the file is missing");
        assert!(failure.kind().is(&ErrorKind::ERROR), "{failure}");
        assert!(failure.find::<std::io::Error>().is_some());
    }

    #[test]
    fn advice_and_kind_can_be_added_on_the_way() {
        let failure = "x".parse::<u8>().kind("ValueError").fatal().expect_err("not a number");
        assert_eq!((failure.kind(), failure.advice()), (&ErrorKind::VALUE, Advice::Fatal));
        let later = Duration::from_secs(17);
        let failure = "x".parse::<u8>().retry_after(later).expect_err("not a number");
        assert_eq!(failure.advice(), Advice::RetryAfter(later));
    }

    #[test]
    #[should_panic(expected = "invalid error kind")]
    fn a_kind_in_code_that_is_nonsense_panics() {
        let _ = Failure::new("not a kind!", "");
    }
}
