//! The error kinds of error types that NAQ knows.

use std::error::Error as StdError;
use std::io;

use super::ErrorKind;

/// The kind of an I/O error.
pub(super) fn io_kind(kind: io::ErrorKind) -> ErrorKind {
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

/// The kind of the first error in the chain whose type NAQ knows. It never uses the name of a type,
/// because names change between compiler versions and mean nothing to a policy.
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
