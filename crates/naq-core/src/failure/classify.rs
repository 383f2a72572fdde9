//! [`JobError`] and [`IntoFailure`]: how an error becomes a [`Failure`].

use std::error::Error as StdError;
use std::io;

use super::known::io_kind;
use super::{Advice, ErrorKind, Failure};

/// An error type that gives its own error kind, and its advice about retries.
///
/// Implement it for the error type of a handler that returns `Result<T, YourError>`. In a handler that
/// returns `Result<T, Failure>`, `?` converts every error. To get the kind of your type there too,
/// register it together with the handler: `classify::<YourError>()`.
///
/// ```
/// use naq_core::{Advice, ErrorKind, JobError};
/// use std::time::Duration;
///
/// #[derive(Debug, thiserror::Error)]
/// enum PayError {
///     #[error("card declined")]
///     Declined,
///     #[error("busy")]
///     Busy { retry_after: Duration },
/// }
///
/// impl JobError for PayError {
///     fn kind(&self) -> ErrorKind {
///         match self {
///             Self::Declined => "Payment.declined".into(),
///             Self::Busy { .. } => ErrorKind::http(429),
///         }
///     }
///
///     fn advice(&self) -> Advice {
///         match self {
///             Self::Declined => Advice::Fatal,
///             Self::Busy { retry_after } => Advice::RetryAfter(*retry_after),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a handler",
    label = "NAQ does not know the error kind of `{Self}`",
    note = "return `Result<_, Failure>`: `?` makes a `Failure` of every error, and `Failure::msg(text)` of a text",
    note = "for an error type of your own: `impl JobError for {Self} {{}}`",
    note = "a `Box<dyn Error>` needs `+ Send + Sync`; an `anyhow::Error` needs the feature `anyhow` of the crate `naq`"
)]
pub trait JobError: StdError + Send + Sync + 'static {
    /// The error kind; `Error` by default.
    fn kind(&self) -> ErrorKind {
        ErrorKind::ERROR
    }

    /// The advice; by default the policy decides.
    fn advice(&self) -> Advice {
        Advice::Policy
    }
}

/// An error that a handler may return: a [`Failure`], any [`JobError`], a boxed error, or with the
/// feature `anyhow` an `anyhow::Error`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a handler",
    label = "NAQ does not know the error kind of `{Self}`",
    note = "return `Result<_, Failure>`: `?` makes a `Failure` of every error, and `Failure::msg(text)` of a text",
    note = "for an error type of your own: `impl JobError for {Self} {{}}`",
    note = "a `Box<dyn Error>` needs `+ Send + Sync`; an `anyhow::Error` needs the feature `anyhow` of the crate `naq`"
)]
pub trait IntoFailure {
    /// The error as a failure with its kind.
    fn into_failure(self) -> Failure;
}

impl IntoFailure for Failure {
    fn into_failure(self) -> Failure {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<E: JobError> IntoFailure for E {
    fn into_failure(self) -> Failure {
        let (kind, advice) = (self.kind(), self.advice());
        Failure::from_error(self).with_kind(kind).with_advice(advice)
    }
}

impl IntoFailure for Box<dyn StdError + Send + Sync> {
    fn into_failure(self) -> Failure {
        Failure::from_error(self)
    }
}

#[cfg(feature = "anyhow")]
impl IntoFailure for anyhow::Error {
    fn into_failure(self) -> Failure {
        // The plain conversion would hide the type of the error behind a type of anyhow.
        Failure::from_error(self.reallocate_into_boxed_dyn_error_without_backtrace())
    }
}

/// A handler that cannot fail.
impl JobError for std::convert::Infallible {}

impl JobError for io::Error {
    fn kind(&self) -> ErrorKind {
        io_kind(self.kind())
    }
}

#[cfg(feature = "jobs")]
impl JobError for serde_json::Error {
    fn kind(&self) -> ErrorKind {
        ErrorKind::DECODE
    }
}

#[cfg(feature = "tokio")]
impl JobError for tokio::time::error::Elapsed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::TIMEOUT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not fetch")]
    struct Wrapped(#[source] io::Error);

    #[test]
    fn known_errors_classify_themselves_through_any_wrapper() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        for (failure, kind) in [
            (Failure::from(refused()), "ConnectionError.refused"),
            (Failure::from(Wrapped(refused())), "ConnectionError.refused"),
            (Failure::from(std::fmt::Error), "Error"),
            (io::Error::from(io::ErrorKind::TimedOut).into_failure(), "TimeoutError"),
        ] {
            assert_eq!(failure.kind().as_str(), kind, "{failure}");
        }
    }

    #[cfg(feature = "jobs")]
    #[test]
    fn an_error_of_a_codec_is_a_decode_error() {
        let json = serde_json::from_str::<u8>("x").expect_err("not json");
        assert_eq!(Failure::from(json).kind(), &ErrorKind::DECODE);
        let msgpack = rmp_serde::from_slice::<u8>(b"").expect_err("not msgpack");
        assert_eq!(Failure::from(msgpack).kind(), &ErrorKind::DECODE);
    }

    #[cfg(feature = "anyhow")]
    #[test]
    fn an_error_inside_anyhow_is_still_recognised() {
        use anyhow::Context;
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        for err in [
            anyhow::Error::from(refused()),
            Err::<(), _>(refused()).context("x").expect_err("failed"),
        ] {
            assert_eq!(err.into_failure().kind().as_str(), "ConnectionError.refused");
        }
    }

    #[test]
    fn a_users_error_gives_kind_and_advice() {
        #[derive(Debug, thiserror::Error)]
        #[error("card declined")]
        struct Declined;
        impl JobError for Declined {
            fn kind(&self) -> ErrorKind {
                "Payment.declined".into()
            }
            fn advice(&self) -> Advice {
                Advice::Fatal
            }
        }
        let failure = Declined.into_failure();
        assert_eq!(failure.to_string(), "Payment.declined: card declined");
        assert_eq!(failure.advice(), Advice::Fatal);
        assert!(failure.find::<Declined>().is_some());
    }
}
