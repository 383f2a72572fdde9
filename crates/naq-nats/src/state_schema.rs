//! Whether this process may write to the state store: not to one whose stream has a newer schema.

use std::sync::atomic::{AtomicBool, Ordering};

use naq_core::transport::TransportError;

use crate::api::Api;
use crate::schema;
use crate::stream_info::StreamInfo;
use crate::subjects::{StatePart, api};

/// Whether the stream of the state store was seen with a schema that this program knows.
#[derive(Debug, Default)]
pub(crate) struct StateSchema(AtomicBool);

impl StateSchema {
    pub(crate) fn is_known(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set_known(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Api {
    /// Refuses a stream of the state store with a newer schema. Asks the broker once, before the first
    /// write of this process. Without an answer the write goes on: a broker that does not answer stores
    /// nothing either.
    pub(crate) async fn refuse_newer_state(&self) -> Result<(), TransportError> {
        if self.state_schema.is_known() {
            return Ok(());
        }
        let stream = self.subjects.state_stream(StatePart::Shared);
        match self.call::<_, StreamInfo>(&api::stream_info(&stream), &()).await {
            Ok(info) => schema::refuse_newer(&self.state_config(), &info.config)?,
            // A user who may not read the settings works without this.
            Err(error) if error.is_permission() => {}
            Err(_) => return Ok(()),
        }
        self.state_schema.set_known();
        Ok(())
    }
}
