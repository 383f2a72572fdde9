//! The directory: one message per worker, in memory. It expires unless the worker writes it again.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::HeaderMap;
use async_trait::async_trait;
use bytes::Bytes;
use naq_core::WorkerId;
use naq_core::transport::{Directory, TransportError, WorkerInfo};
use serde::Serialize;

use crate::api::Api;
use crate::direct::StreamMessage;
use crate::error::ApiError;
use crate::message::TTL;
use crate::migrate::KnownSchemas;
use crate::records;
use crate::schema;
use crate::transport::NatsTransport;

/// How many entries one request reads.
const PAGE: usize = 500;

/// A worker's entry as it is stored.
#[derive(Serialize)]
struct WorkerEntry<'a> {
    #[serde(flatten)]
    worker: &'a WorkerInfo,
    /// Which schemas of streams it knows, by kind. A migration asks for it.
    schemas: BTreeMap<&'static str, u32>,
}

impl Api {
    async fn write_entry(
        &self,
        id: &WorkerId,
        body: Bytes,
        ttl: Duration,
    ) -> Result<(), TransportError> {
        let subject = self.subjects.worker(id);
        let mut headers = HeaderMap::new();
        headers.insert(TTL, records::ttl(ttl));
        let mut retry = self.request_retry("heartbeat to", &subject);
        loop {
            match self.store(&subject, headers.clone(), body.clone()).await {
                Ok(_) => return Ok(()),
                Err(ApiError::NoResponders) => {
                    if !self.ensure_stream(&self.configs().workers_config()).await? {
                        retry.wait_to_retry(ApiError::NoResponders).await?;
                    }
                }
                Err(error) => retry.wait_to_retry(error).await?,
            }
        }
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, TransportError> {
        let messages = self.worker_messages().await?;
        // An empty entry is a worker that has left. An entry that cannot be read is from another
        // version; its worker is skipped.
        let read = messages.iter().filter_map(|message| {
            let mut worker = serde_json::from_slice::<WorkerInfo>(&message.body).ok()?;
            // The broker's time, because the worker's clock may be wrong.
            worker.heartbeat_at = message.stored_at;
            Some(worker)
        });
        let mut workers: Vec<_> = read.collect();
        workers.sort_by(|a, b| a.worker_id.cmp(&b.worker_id));
        Ok(workers)
    }

    /// Which schemas the live workers know.
    pub(crate) async fn known_schemas(&self) -> Result<Vec<KnownSchemas>, TransportError> {
        let messages = self.worker_messages().await?;
        let read = messages.iter().filter_map(|it| serde_json::from_slice(&it.body).ok());
        Ok(read.collect())
    }

    /// The entries of the directory, those of workers that have left included.
    async fn worker_messages(&self) -> Result<Vec<StreamMessage>, TransportError> {
        let stream = self.subjects.workers_stream();
        let subject = self.subjects.all_workers();
        let mut messages = Vec::new();
        let mut from = 1;
        if self.offset.is_outdated(self.config.clock.now()) {
            // This request compares the clocks, so that the caller knows how old a heartbeat is. If
            // it fails, the next request reports the error.
            let _ = self.stream_info(&stream).await;
        }
        loop {
            let batch = self.next_of(&stream, &subject, from, PAGE).await?;
            let Some(last) = batch.messages.last().map(|message| message.seq) else { break };
            messages.extend(batch.messages);
            if batch.left == 0 {
                break;
            }
            from = last + 1;
        }
        Ok(messages)
    }
}

#[async_trait]
impl Directory for NatsTransport {
    async fn heartbeat(&self, worker: &WorkerInfo, ttl: Duration) -> Result<(), TransportError> {
        let what = "write a heartbeat".to_owned();
        let body = serde_json::to_vec(&WorkerEntry { worker, schemas: schema::known() })
            .map_err(|e| TransportError::Rejected { what, reason: e.to_string() })?;
        self.api.write_entry(&worker.worker_id, body.into(), ttl).await
    }

    /// Writes an empty entry. To remove the message, the worker would need the permission to remove
    /// any message.
    async fn leave(&self, worker: &WorkerId) -> Result<(), TransportError> {
        self.api.write_entry(worker, Bytes::new(), Duration::from_secs(1)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, TransportError> {
        self.api.workers().await
    }
}
