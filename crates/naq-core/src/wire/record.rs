//! [`FinalRecord`]: what is kept of a job that has ended.

use crate::clock::Timestamp;
use crate::state::JobState;

use super::body::{Arrival, Ending};
use super::codec::{DecodeError, EncodeError};
use super::envelope::Envelope;
use super::fields::{Fields, Payload};
use super::message::{WireMessage, headers};

/// The envelope as it ended, with its final state and result. On the wire it is the envelope with
/// three more fields: `state`, `finished_at`, `result`.
#[derive(Debug, Clone, PartialEq)]
pub struct FinalRecord {
    /// The job, with the record of its last attempt in the history.
    pub envelope: Envelope,
    /// `completed`, `cancelled`, `expired`, or `dead`: then a dead letter follows it.
    pub state: JobState,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What the handler returned, for `completed`.
    pub result: Option<Payload>,
}

impl FinalRecord {
    /// Writes the message.
    ///
    /// # Errors
    /// [`EncodeError`] when a part cannot be written in the envelope's codec.
    pub fn to_message(&self) -> Result<WireMessage, EncodeError> {
        let (state, finished_at) = (self.state, self.finished_at);
        let ending = Ending { state, finished_at, result: self.result.as_ref() };
        let (body, _) = self.envelope.write(Some(ending))?;
        Ok(WireMessage::new(body)
            .with(headers::CONTENT_TYPE, self.envelope.codec.content_type())
            .with_step(&self.envelope.step()))
    }

    pub(crate) fn decode(message: &WireMessage, arrival: &Arrival) -> Result<Self, DecodeError> {
        let mut fields = Fields::split(message.codec()?, &message.body)?;
        let state = fields.take("state")?.ok_or(DecodeError::Missing("state"))?;
        let finished_at = fields.take("finished_at")?.unwrap_or(arrival.stored_at);
        let result = fields.take_raw("result");
        let envelope = Envelope::from_fields(fields, message, arrival)?;
        Ok(Self { envelope, state, finished_at, result })
    }
}
