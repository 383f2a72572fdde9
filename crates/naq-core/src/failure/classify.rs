//! From an error value to a [`Failure`]: users' errors by [`JobError`], known ones by themselves.

use std::error::Error as StdError;
use std::io;

use super::{Advice, ErrorKind, Failure};

/// An error type that says by itself what kind it is, and whether trying again makes sense.
///
/// A handler that returns `Result<T, YourError>` needs this and no more. In a handler that returns
/// `Result<T, Failure>`, `?` takes every error; register your type where the handler is registered
/// (`classify::<YourError>()`) and it is recognised there too.
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
pub trait JobError: StdError + Send + Sync + 'static {
    /// What went wrong; `Error` unless you say otherwise.
    fn kind(&self) -> ErrorKind {
        ErrorKind::ERROR
    }

    /// What to do about it; the policy decides unless you say otherwise.
    fn advice(&self) -> Advice {
        Advice::Policy
    }
}

/// What a handler may return as its error: a [`Failure`], any [`JobError`], a boxed error, or (with
/// the feature `anyhow`) an `anyhow::Error`.
pub trait IntoFailure {
    /// The failure, classified.
    fn into_failure(self) -> Failure;
}

impl IntoFailure for Failure {
    fn into_failure(self) -> Failure {
        self
    }
}

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
        // The plain conversion hides the error's own type behind one of anyhow's.
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

fn io_kind(kind: io::ErrorKind) -> ErrorKind {
    use io::ErrorKind as Io;
    match kind {
        Io::ConnectionRefused => "ConnectionError.refused".into(),
        Io::ConnectionReset => "ConnectionError.reset".into(),
        Io::ConnectionAborted => "ConnectionError.aborted".into(),
        Io::NotConnected | Io::BrokenPipe | Io::HostUnreachable | Io::NetworkUnreachable => {
            ErrorKind::CONNECTION
        }
        Io::TimedOut => ErrorKind::TIMEOUT,
        Io::PermissionDenied => ErrorKind::PERMISSION,
        Io::InvalidData | Io::InvalidInput => ErrorKind::VALUE,
        Io::NotFound => "Error.not_found".into(),
        _ => ErrorKind::ERROR,
    }
}

/// The kind of the first error in the chain that NAQ knows. Never from a type's name: those change
/// between compiler versions and say nothing to a policy.
pub(super) fn known_kind(err: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    std::iter::successors(Some(err), |&err| err.source()).find_map(one_kind)
}

fn one_kind(err: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    if let Some(err) = err.downcast_ref::<io::Error>() {
        return Some(io_kind(err.kind()));
    }
    #[cfg(feature = "tokio")]
    if err.is::<tokio::time::error::Elapsed>() {
        return Some(ErrorKind::TIMEOUT);
    }
    #[cfg(feature = "jobs")]
    if err.is::<serde_json::Error>()
        || err.is::<rmp_serde::decode::Error>()
        || err.is::<rmp_serde::encode::Error>()
    {
        return Some(ErrorKind::DECODE);
    }
    None
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
    fn what_cannot_be_decoded_is_a_decode_error() {
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
