//! [`LargeArgs`]: what a client does with arguments that are too large for a message.

use std::fmt;
use std::str::FromStr;

/// What happens to arguments that are larger than the broker takes in one message. Its text form is `refuse` or
/// `store`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LargeArgs {
    /// The job is not enqueued: [`EnqueueError::Encode`](crate::EnqueueError::Encode), or
    /// [`TransportError::TooLarge`](naq_core::transport::TransportError::TooLarge) if it is the broker that
    /// takes less.
    #[default]
    Refuse,
    /// The arguments are stored beside the job, up to
    /// [`MAX_BLOB_BYTES`](naq_core::transport::MAX_BLOB_BYTES), and removed with it. The client needs the right
    /// to write to `NAQ_BLOBS`. Workers of a release that does not know this leave the job to newer workers.
    Store,
}

/// A text is neither `refuse` nor `store`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid choice {0:?} for large arguments: use refuse or store")]
pub struct LargeArgsError(String);

impl fmt::Display for LargeArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Refuse => "refuse",
            Self::Store => "store",
        })
    }
}

impl FromStr for LargeArgs {
    type Err = LargeArgsError;

    fn from_str(text: &str) -> Result<Self, LargeArgsError> {
        match text.to_ascii_lowercase().as_str() {
            "refuse" => Ok(Self::Refuse),
            "store" => Ok(Self::Store),
            _ => Err(LargeArgsError(text.chars().take(80).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_round_trips_as_text() {
        for choice in [LargeArgs::Refuse, LargeArgs::Store] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert!("keep".parse::<LargeArgs>().is_err());
    }
}
