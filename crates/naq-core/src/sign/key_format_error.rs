//! [`KeyFormatError`]: a text is not a key.

/// A text is not a key in the form of nkeys. The error does not contain the text, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {0}: `naq key new` makes one")]
pub struct KeyFormatError(pub(super) &'static str);
