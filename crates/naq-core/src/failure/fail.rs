//! [`Failure`]: what a handler returns if it did not succeed.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::ErrorKind;
use super::known::known_kind;
#[cfg(feature = "jobs")]
use crate::redact::Redactor;

/// What a handler asks for with its failure. The limits of the policy still apply; see
/// [`decide`](crate::retry::decide).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Advice {
    /// Let the policy decide.
    #[default]
    Policy,
    /// If the policy allows a retry, make it after this delay.
    RetryAfter(Duration),
    /// Never retry.
    Fatal,
    /// Run again after this delay. This is not a failure and does not count as an attempt.
    Snooze(Duration),
    /// End the job as cancelled.
    Cancel,
    /// What ran the handler died, such as a process of its own. It counts as a crash of the job, not
    /// as an attempt: `max_crashes` limits it.
    Crash,
}

/// A failed attempt: its error kind, its message, and the [`Advice`] of the handler.
///
/// `?` converts every `std::error::Error` into a failure. [`JobError`](super::JobError) says how its
/// kind is found. [`ResultExt`] names the kind or gives advice before the `?`.
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
/// Like `anyhow::Error`, it is not a `std::error::Error` itself. A clone shares the source.
#[derive(Clone)]
pub struct Failure {
    kind: ErrorKind,
    named: bool,
    message: String,
    advice: Advice,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    /// The message of the dead letter, if it is another one.
    #[cfg(feature = "jobs")]
    of_letter: Option<String>,
}

impl Failure {
    /// A failure with this kind and this message.
    ///
    /// # Panics
    /// If `kind` is a text that is not an error kind.
    pub fn new(kind: impl Into<ErrorKind>, message: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            named: true,
            message: message.into(),
            advice: Advice::Policy,
            source: None,
            #[cfg(feature = "jobs")]
            of_letter: None,
        }
    }

    /// A failure of the kind `Error`.
    pub fn msg(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::ERROR, message)
    }

    /// A failure from any error. Its kind is the one of the first error in the chain that NAQ knows, or
    /// else `Error`.
    pub fn from_error(err: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let err = err.into();
        let kind = known_kind(err.as_ref()).unwrap_or(ErrorKind::ERROR);
        Self {
            kind,
            named: false,
            message: chain_text(err.as_ref()),
            advice: Advice::Policy,
            source: Some(err.into()),
            #[cfg(feature = "jobs")]
            of_letter: None,
        }
    }

    /// Run again after `delay`, without counting an attempt. For work that is not ready yet.
    pub fn snooze(delay: Duration) -> Self {
        Self { advice: Advice::Snooze(delay), ..Self::msg("not yet") }
    }

    /// End the job as cancelled, for this reason.
    pub fn cancel(reason: impl Into<String>) -> Self {
        Self { advice: Advice::Cancel, ..Self::new(ErrorKind::CANCELLED, reason) }
    }

    /// What ran the handler died before it answered, such as a process of its own: a crash. It does
    /// not count as an attempt, and `max_crashes` of the policy limits it.
    pub fn crash(message: impl Into<String>) -> Self {
        Self { advice: Advice::Crash, ..Self::new(ErrorKind::CRASH, message) }
    }

    /// Never retry this failure.
    #[must_use]
    pub fn fatal(mut self) -> Self {
        self.advice = Advice::Fatal;
        self
    }

    /// If the policy allows a retry, make it after `delay`. It counts as an attempt. The `max_delay` and
    /// the jitter of the policy do not apply, because the service that gave the delay knows it best.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.advice = Advice::RetryAfter(delay);
        self
    }

    /// The same failure with another kind.
    ///
    /// # Panics
    /// If `kind` is a text that is not an error kind.
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

    /// The same failure, with the secrets in its message redacted.
    #[cfg(feature = "jobs")]
    #[must_use]
    pub fn redacted(mut self, redactor: &Redactor) -> Self {
        if let std::borrow::Cow::Owned(message) = redactor.redact_text(&self.message) {
            self.message = message;
        }
        self
    }

    /// The same failure with its message as it is stored: `message` in the history of the job, and `of_letter`, which
    /// has to be shorter, in the header of its dead letter. Encrypted texts, because a text that is cut cannot be
    /// decrypted.
    #[cfg(feature = "jobs")]
    #[must_use]
    pub fn stored_as(self, message: String, of_letter: String) -> Self {
        Self { message, of_letter: Some(of_letter), source: None, ..self }
    }

    /// The message for the header of a dead letter.
    #[cfg(feature = "jobs")]
    pub fn letter_message(&self) -> &str {
        self.of_letter.as_deref().unwrap_or(&self.message)
    }

    /// The message as logs and statistics show it.
    fn shown(&self) -> std::borrow::Cow<'_, str> {
        #[cfg(feature = "jobs")]
        return crate::seal::shown_text(&self.message);
        #[cfg(not(feature = "jobs"))]
        std::borrow::Cow::Borrowed(&self.message)
    }

    /// The error kind.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Whether code has named the kind. Otherwise NAQ has found it from the error.
    pub fn is_named(&self) -> bool {
        self.named
    }

    /// The message, with the messages of its causes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the handler asks for.
    pub fn advice(&self) -> Advice {
        self.advice
    }

    /// The first error of the type `E` among the source and its causes.
    pub fn find<E: StdError + 'static>(&self) -> Option<&E> {
        let source = self.source.as_deref().map(|s| s as &(dyn StdError + 'static));
        std::iter::successors(source, |&err| err.source()).find_map(|err| err.downcast_ref())
    }
}

/// The message of `err` and of its causes, without messages that repeat an earlier one.
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
        write!(f, "{}: {}", self.kind, self.shown())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("kind", &self.kind)
            .field("message", &self.shown())
            .field("advice", &self.advice)
            .finish_non_exhaustive()
    }
}

/// Names the kind of an error, or gives advice, before a `?`: `send().await.kind("X")?`.
pub trait ResultExt<T> {
    /// The error as a failure of this kind.
    ///
    /// # Errors
    /// The error of the result, as a [`Failure`].
    ///
    /// # Panics
    /// If `kind` is a text that is not an error kind.
    fn kind(self, kind: impl Into<ErrorKind>) -> Result<T, Failure>;

    /// The error as a failure that is never retried.
    ///
    /// # Errors
    /// The error of the result, as a [`Failure`].
    fn fatal(self) -> Result<T, Failure>;

    /// The error as a failure that is retried after `delay`, if the policy allows a retry.
    ///
    /// # Errors
    /// The error of the result, as a [`Failure`].
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
    fn an_invalid_kind_in_code_panics() {
        let _ = Failure::new("not a kind!", "");
    }
}
