//! What is too large for a message.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use naq_core::clock::Timestamp;
use naq_core::transport::{BlobRef, Blobs, JobKey, TransportError};

use crate::state::whole_seconds;
use crate::transport::MemoryTransport;

type Name = (JobKey, String);

#[derive(Debug, Default)]
pub(crate) struct BlobStore {
    held: HashMap<Name, (Bytes, Timestamp)>,
    deadlines: BTreeSet<(Timestamp, Name)>,
}

impl BlobStore {
    /// Lets time pass: what has had its time vanishes.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while self.deadlines.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, name)) = self.deadlines.pop_first() else { return };
            // Stored again, it has a later one.
            if self.held.get(&name).is_some_and(|(_, until)| *until <= now) {
                self.held.remove(&name);
            }
        }
    }
}

#[async_trait]
impl Blobs for MemoryTransport {
    async fn blob_put(
        &self,
        job: &JobKey,
        blob: &BlobRef,
        data: Bytes,
        ttl: Duration,
    ) -> Result<(), TransportError> {
        blob.check_size()?;
        let (mut state, now) = self.shared.state();
        let name = (job.clone(), blob.to_string());
        let until = now + whole_seconds(ttl);
        state.blobs.deadlines.insert((until, name.clone()));
        state.blobs.held.insert(name, (data, until));
        Ok(())
    }

    async fn blob_get(
        &self,
        job: &JobKey,
        blob: &BlobRef,
    ) -> Result<Option<Bytes>, TransportError> {
        let (state, _) = self.shared.state();
        let held = state.blobs.held.get(&(job.clone(), blob.to_string()));
        Ok(held.map(|(data, _)| data.clone()))
    }
}
