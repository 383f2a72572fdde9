//! [`StoreProbe`]: whether a stream stores messages now, as a small message shows.

use std::fmt;

use serde::Serialize;

use super::StreamRole;

/// Whether one stream stores messages now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreProbe {
    /// The name of the stream at the broker.
    pub stream: String,
    /// What the stream is for.
    #[serde(flatten)]
    pub role: StreamRole,
    /// What came of it.
    #[serde(flatten)]
    pub answer: ProbeAnswer,
}

/// What came of a small message to a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "store", content = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProbeAnswer {
    /// It was stored, and removed again.
    Stored,
    /// The store is full. It takes messages again when there is room.
    Full(String),
    /// The broker is there, and does not answer a store. Its disk is or was full, or the stream was
    /// removed and made again while messages arrived. Only a restart of the server helps.
    Silent,
    /// The store was refused for another reason.
    Refused(String),
    /// This user may not store there, so nothing is known.
    NotAllowed(String),
}

impl ProbeAnswer {
    /// Whether the stream stores nothing.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Silent | Self::Refused(_))
    }

    /// What an operator can do. `None` if nothing is wrong.
    pub fn next_step(&self) -> Option<&'static str> {
        match self {
            Self::Full(_) => Some(
                "make room: purge what is not needed, or raise max_file_store, max_memory_store or \
                 the account's limits; work then goes on by itself",
            ),
            Self::Silent => Some(
                "free space on the disk of the server's store_dir, and restart the server: it does \
                 not store to this stream again until then",
            ),
            Self::Refused(_) => {
                Some("look into the server's log, and free space if the disk is full")
            }
            Self::NotAllowed(_) => {
                Some("run the check as an operator, or give this user the permission")
            }
            Self::Stored => None,
        }
    }
}

impl fmt::Display for ProbeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored => f.write_str("stores"),
            Self::Full(reason) => write!(f, "its store is full: {reason}"),
            Self::Silent => {
                f.write_str("the server does not answer a store: its disk is or was full")
            }
            Self::Refused(reason) => write!(f, "it stores nothing: {reason}"),
            Self::NotAllowed(subject) => {
                write!(f, "not known: this user may not publish to {subject}")
            }
        }
    }
}
