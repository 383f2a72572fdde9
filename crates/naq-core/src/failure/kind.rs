//! [`ErrorKind`]: a dotted name of what went wrong.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What went wrong, as a dotted name: `ConnectionError`, `HTTPError.503`.
///
/// A kind matches itself and every kind below it. `retry_on` and `ignore_on` compare kinds in this way.
///
/// ```
/// use naq_core::ErrorKind;
///
/// let refused = ErrorKind::new("ConnectionError.refused")?;
/// assert!(refused.is(&ErrorKind::CONNECTION));
/// assert!(!ErrorKind::new("ConnectionErrorX")?.is(&ErrorKind::CONNECTION));
/// # Ok::<(), naq_core::KindError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorKind(Cow<'static, str>);

/// A text is not a valid error kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid error kind {0:?}: use 1 to {max} letters, digits, `_`, `-` or `:`, in parts separated by `.`",
    max = ErrorKind::MAX_LEN
)]
pub struct KindError(String);

macro_rules! built_in {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        impl ErrorKind {
            $($(#[$doc])* pub const $name: Self = Self(Cow::Borrowed($text));)*

            /// The kinds that NAQ gives by itself, for help texts and completions.
            pub const BUILT_IN: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

built_in! {
    /// A connection could not be opened, or broke.
    CONNECTION = "ConnectionError";
    /// A call took too long, or the attempt exceeded its `timeout`.
    TIMEOUT = "TimeoutError";
    /// The operating system or a service did not allow the call.
    PERMISSION = "PermissionError";
    /// Credentials are missing or wrong.
    AUTHENTICATION = "AuthenticationError";
    /// An HTTP error status; [`ErrorKind::http`] adds the status.
    HTTP = "HTTPError";
    /// The input is invalid, so that a retry cannot succeed.
    VALUE = "ValueError";
    /// The handler panicked.
    PANIC = "Panic";
    /// The worker crashed, or lost its lease, while it ran the job.
    CRASH = "Crash";
    /// The message or its arguments could not be decoded.
    DECODE = "DecodeError";
    /// The job is not signed, or not by a key that its queue accepts.
    SIGNATURE = "SignatureError";
    /// The arguments are encrypted, and cannot be decrypted.
    ENCRYPTION = "EncryptionError";
    /// The arguments are in a blob that is not stored, or that the worker may not read.
    ARGS_MISSING = "ArgsMissing";
    /// The worker has no handler for the task.
    UNKNOWN_TASK = "UnknownTask";
    /// The job was cancelled.
    CANCELLED = "Cancelled";
    /// The result is larger than the broker accepts.
    RESULT_TOO_LARGE = "ResultTooLarge";
    /// Any other error.
    ERROR = "Error";
}

impl ErrorKind {
    /// The longest kind accepted, in bytes.
    pub const MAX_LEN: usize = 128;

    /// The kind with this name, checked.
    ///
    /// # Errors
    /// [`KindError`] if it is empty or too long, or has an empty part or an invalid character.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, KindError> {
        let text = text.into();
        let part = |p: &str| {
            !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || "_-:".contains(c))
        };
        if text.len() <= Self::MAX_LEN && text.split('.').all(part) {
            Ok(Self(text))
        } else {
            Err(KindError(text.chars().take(80).collect()))
        }
    }

    /// The kind for an HTTP status: `HTTPError.503`.
    pub fn http(status: u16) -> Self {
        Self(format!("{}.{status}", Self::HTTP).into())
    }

    /// The kind as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this kind is `other` or a kind below it.
    pub fn is(&self, other: &Self) -> bool {
        self.0
            .strip_prefix(other.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ErrorKind {
    type Err = KindError;

    fn from_str(s: &str) -> Result<Self, KindError> {
        Self::new(s.to_owned())
    }
}

/// For kinds in code, as in `.retry_on(["ConnectionError", "TimeoutError"])`. Use [`ErrorKind::new`] for
/// text that comes from outside of the program.
///
/// # Panics
/// If the text is not a valid error kind.
impl From<&'static str> for ErrorKind {
    fn from(text: &'static str) -> Self {
        Self::new(text).unwrap_or_else(|err| panic!("{err}"))
    }
}

impl Serialize for ErrorKind {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ErrorKind {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(d)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_matches_itself_and_everything_below_it() {
        for (kind, pattern, hit) in [
            ("ConnectionError", "ConnectionError", true),
            ("ConnectionError.refused", "ConnectionError", true),
            ("ConnectionError.refused.v6", "ConnectionError.refused", true),
            ("ConnectionErrorX", "ConnectionError", false),
            ("ConnectionError", "ConnectionError.refused", false),
            ("HTTPError.503", "HTTPError.50", false),
        ] {
            assert_eq!(
                ErrorKind::from(kind).is(&ErrorKind::from(pattern)),
                hit,
                "{kind} {pattern}"
            );
        }
    }

    #[test]
    fn malformed_kinds_are_refused() {
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a|b", "a\u{1b}", &"x".repeat(129)] {
            assert!(ErrorKind::new(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_built_in_kind_is_valid() {
        for kind in ErrorKind::BUILT_IN {
            assert_eq!(kind.as_str().parse::<ErrorKind>().as_ref(), Ok(kind));
        }
        assert_eq!(ErrorKind::http(503).as_str(), "HTTPError.503");
    }
}
