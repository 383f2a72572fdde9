//! Who works: one message a worker, in memory, that vanishes unless it is written again.

use std::time::Duration;

use async_nats::HeaderMap;
use async_trait::async_trait;
use bytes::Bytes;
use naq_core::WorkerId;
use naq_core::transport::{Directory, TransportError, WorkerInfo};

use crate::api::Api;
use crate::error::ApiError;
use crate::message::TTL;
use crate::records;
use crate::transport::NatsTransport;

/// Entries read at once.
const PAGE: usize = 500;

impl Api {
    async fn enter(&self, id: &WorkerId, body: Bytes, ttl: Duration) -> Result<(), TransportError> {
        let subject = self.subjects.worker(id);
        let mut headers = HeaderMap::new();
        headers.insert(TTL, records::ttl(ttl));
        let mut tries = self.tries("heartbeat to", &subject);
        loop {
            match self.store(&subject, headers.clone(), body.clone()).await {
                Ok(_) => return Ok(()),
                Err(ApiError::NoResponders) => {
                    if !self.ensure_stream(&self.workers_config()).await? {
                        tries.again(ApiError::NoResponders).await?;
                    }
                }
                Err(error) => tries.again(error).await?,
            }
        }
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, TransportError> {
        let (stream, subject) = (self.subjects.workers_stream(), self.subjects.all_workers());
        let (mut workers, mut from) = (Vec::new(), 1);
        if self.offset.is_old(self.config.clock.now()) {
            // Compares the clocks; if it does not work, what comes now says so.
            let _ = self.stream_info(&stream).await;
        }
        loop {
            let batch = self.next_of(&stream, &subject, from, PAGE).await?;
            let Some(last) = batch.held.last().map(|held| held.seq) else { break };
            // What is empty has left; what cannot be read is of another version, and alive.
            workers.extend(batch.held.iter().filter_map(|held| {
                let mut worker = serde_json::from_slice::<WorkerInfo>(&held.body).ok()?;
                // Not when the worker thinks that it was: its clock may be wrong.
                worker.heartbeat_at = self.offset.to_ours(held.stored_at);
                Some(worker)
            }));
            if batch.left == 0 {
                break;
            }
            from = last + 1;
        }
        workers.sort_by(|a, b| a.worker_id.cmp(&b.worker_id));
        Ok(workers)
    }
}

#[async_trait]
impl Directory for NatsTransport {
    async fn heartbeat(&self, worker: &WorkerInfo, ttl: Duration) -> Result<(), TransportError> {
        let what = "write a heartbeat".to_owned();
        let body = serde_json::to_vec(worker)
            .map_err(|e| TransportError::Rejected { what, reason: e.to_string() })?;
        self.api.enter(&worker.worker_id, body.into(), ttl).await
    }

    /// Writes an empty entry over it: removing one would take the right to remove any.
    async fn leave(&self, worker: &WorkerId) -> Result<(), TransportError> {
        self.api.enter(worker, Bytes::new(), Duration::from_secs(1)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, TransportError> {
        self.api.workers().await
    }
}
