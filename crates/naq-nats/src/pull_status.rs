//! [`PullStatus`]: why the broker ended a pull.

use async_nats::Message;

const NO_MESSAGES: u16 = 404;
const EXPIRED: u16 = 408;
const CONFLICT: u16 = 409;
const NO_RESPONDERS: u16 = 503;

/// Why the broker ended a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PullStatus {
    /// There were no more messages, or its time was over.
    Expired,
    /// A pull with a bound in bytes has brought all that it asked for.
    Complete,
    /// The next message needs more bytes than the pull has left.
    TooLarge,
    /// There is no such consumer.
    NoConsumer,
    /// The consumer has another leader.
    LeaderChanged,
    /// Above all: the consumer was removed.
    Refused,
}

impl PullStatus {
    pub(crate) fn of(message: &Message) -> Self {
        let text = message.description.as_deref().unwrap_or_default();
        match message.status.map_or(0, |status| status.as_u16()) {
            NO_MESSAGES | EXPIRED => Self::Expired,
            NO_RESPONDERS => Self::NoConsumer,
            CONFLICT if text == "Batch Completed" => Self::Complete,
            CONFLICT if text == "Message Size Exceeds MaxBytes" => Self::TooLarge,
            CONFLICT if text.contains("Leadership Change") || text.contains("Server Shutdown") => {
                Self::LeaderChanged
            }
            _ => Self::Refused,
        }
    }
}
