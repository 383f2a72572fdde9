//! [`FinalRecord`]: how a job has ended.

use crate::clock::Timestamp;
use crate::state::JobState;

use super::body::{FinalFields, MessageMeta};
use super::codec::{DecodeError, EncodeError};
use super::envelope::Envelope;
use super::fields::{Fields, Payload};
use super::message::{WireMessage, headers};

/// The envelope of a job that has ended, with its final state and its result. On the wire it is the
/// envelope with three more fields: `state`, `finished_at`, `result`.
#[derive(Debug, Clone, PartialEq)]
pub struct FinalRecord {
    /// The job, with the record of its last attempt in the history.
    pub envelope: Envelope,
    /// `completed`, `cancelled`, `expired` or `dead`. With `dead` a dead letter follows the record.
    pub state: JobState,
    /// When the job ended.
    pub finished_at: Timestamp,
    /// What the handler returned. `None` if the job did not complete, or its result is stored in a blob.
    pub result: Option<Payload>,
}

impl FinalRecord {
    /// The message of the record.
    ///
    /// # Errors
    /// [`EncodeError`] if a value cannot be written in the codec of the envelope.
    pub fn to_message(&self) -> Result<WireMessage, EncodeError> {
        let final_fields = FinalFields {
            state: self.state,
            finished_at: self.finished_at,
            result: self.result.as_ref(),
        };
        let (body, _) = self.envelope.write(Some(final_fields))?;
        Ok(WireMessage::new(body)
            .with(headers::CONTENT_TYPE, self.envelope.codec.content_type())
            .with_step(&self.envelope.step()))
    }

    pub(crate) fn decode(message: &WireMessage, meta: &MessageMeta) -> Result<Self, DecodeError> {
        let mut fields = Fields::split(message.codec()?, &message.body)?;
        let state = fields.take("state")?.ok_or(DecodeError::Missing("state"))?;
        let finished_at = fields.take("finished_at")?.unwrap_or(meta.stored_at);
        let result = fields.take_raw("result");
        let envelope = Envelope::from_fields(fields, message, meta)?;
        Ok(Self { envelope, state, finished_at, result })
    }
}
