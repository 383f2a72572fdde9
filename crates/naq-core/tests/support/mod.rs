//! Code that the tests of the wire share.

use naq_core::transport::{JobKey, Place, Stored};
use naq_core::wire::WireMessage;
use naq_core::{JobId, QueueName, Timestamp};

/// `message` as a transport hands it over: on the queue subject of `job-1` in `default`.
pub(crate) fn delivered(message: WireMessage) -> Stored {
    Stored {
        key: JobKey::new(QueueName::default(), JobId::new("job-1").expect("an id")),
        place: Place::Queue,
        seq: 7,
        stored_at: Timestamp::from_millis(1000),
        due_at: None,
        delivered: false,
        message,
    }
}
