//! Blobs: large results and arguments, cut into chunks and stored in a stream of their own. The object store of
//! NATS does not fit: it has one TTL for a whole bucket, and each blob has its own (ADR 0012).

use std::time::Duration;

use async_nats::HeaderMap;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use naq_core::transport::{BlobRef, Blobs, JobKey, KeptBlob, NO_TTL, TransportError};
use naq_core::{QueueName, Timestamp};

use crate::api::Api;
use crate::direct::StreamMessage;
use crate::error::ApiError;
use crate::message::TTL;
use crate::records;
use crate::transport::NatsTransport;

/// The bytes of one chunk. Half of the broker's `max_payload` if that is less.
const CHUNK: usize = 256 * 1024;
/// How many chunks are written at the same time.
const PARALLEL_CHUNKS: usize = 8;
/// The lifetime of the empty chunk that takes the place of a removed one: the shortest that there is.
const REMOVED: Duration = Duration::from_secs(1);
/// How many chunks one request reads.
const PAGE: usize = 32;

/// The bytes of one chunk on a broker with this `max_payload`.
fn chunk_bytes(max_payload: usize) -> usize {
    CHUNK.min(max_payload / 2).max(1)
}

impl Api {
    /// Reads a blob chunk by chunk, for a user who may not read batches.
    async fn blob_of_single_reads(
        &self,
        job: &JobKey,
        blob: &BlobRef,
    ) -> Result<Option<Bytes>, TransportError> {
        let stream = self.subjects.blobs_stream();
        let mut data = BytesMut::with_capacity(blob.bytes());
        for n in 0.. {
            let subject = self.subjects.chunk(job, blob.name(), n);
            let Some(chunk) = self.last_of_singly(&stream, &[subject]).await?.pop() else { break };
            data.extend_from_slice(&chunk.body);
            if chunk.body.is_empty() || data.len() >= blob.bytes() {
                break;
            }
        }
        Ok((data.len() == blob.bytes()).then(|| data.freeze()))
    }

    /// The last message on one subject of the blobs. Not every user may read batches, and not every one single
    /// messages.
    async fn last_on(&self, subject: String) -> Result<Option<StreamMessage>, TransportError> {
        let stream = self.subjects.blobs_stream();
        match self.last_of_singly(&stream, std::slice::from_ref(&subject)).await {
            Err(TransportError::Permission { .. }) => {
                Ok(self.last_of(&stream, vec![subject]).await?.pop())
            }
            found => Ok(found?.pop()),
        }
    }

    async fn put_chunk(
        &self,
        subject: &str,
        data: Bytes,
        ttl: Duration,
    ) -> Result<(), TransportError> {
        let mut headers = HeaderMap::new();
        if ttl != NO_TTL {
            headers.insert(TTL, records::ttl(ttl));
        }
        let mut retry = self.request_retry("write to", subject);
        loop {
            match self.store(subject, headers.clone(), data.clone()).await {
                Ok(_) => return Ok(()),
                Err(ApiError::NoResponders) => {
                    if !self.ensure_stream(&self.configs().blobs_config()).await? {
                        retry.wait_to_retry(ApiError::NoResponders).await?;
                    }
                }
                Err(error) => retry.wait_to_retry(error).await?,
            }
        }
    }
}

#[async_trait]
impl Blobs for NatsTransport {
    async fn blob_put(
        &self,
        job: &JobKey,
        blob: &BlobRef,
        data: Bytes,
        ttl: Duration,
    ) -> Result<(), TransportError> {
        blob.check_size()?;
        let api = &*self.api;
        let size = chunk_bytes(api.client().max_payload());
        let puts = (0..data.len().div_ceil(size)).map(|n| {
            let chunk = data.slice(n * size..data.len().min((n + 1) * size));
            let subject = api.subjects.chunk(job, blob.name(), n);
            async move { api.put_chunk(&subject, chunk, ttl).await }
        });
        if ttl == NO_TTL {
            // First, so that a blob whose writer dies is found.
            let kept = api.subjects.kept_blob(job, blob);
            api.put_chunk(&kept, Bytes::from_static(b"kept"), ttl).await?;
        }
        stream::iter(puts).buffer_unordered(PARALLEL_CHUNKS).try_collect::<()>().await
    }

    async fn blob_get(
        &self,
        job: &JobKey,
        blob: &BlobRef,
    ) -> Result<Option<Bytes>, TransportError> {
        blob.check_size()?;
        let api = &*self.api;
        let stream = api.subjects.blobs_stream();
        let subject = api.subjects.chunks(job, blob.name());
        let mut chunks = Vec::new();
        let mut from = 1;
        loop {
            let batch = match api.next_of(&stream, &subject, from, PAGE).await {
                Err(TransportError::Permission { .. }) => {
                    return api.blob_of_single_reads(job, blob).await;
                }
                batch => batch?,
            };
            let Some(last) = batch.messages.last().map(|message| message.seq) else { break };
            let index = |subject: &str| subject.rsplit('.').next()?.parse::<usize>().ok();
            let read = |message: StreamMessage| Some((index(&message.subject)?, message.body));
            chunks.extend(batch.messages.into_iter().filter_map(read));
            if batch.left == 0 {
                break;
            }
            from = last + 1;
        }
        chunks.sort_by_key(|(index, _)| *index);
        let mut data = BytesMut::with_capacity(blob.bytes());
        chunks.iter().for_each(|(_, chunk)| data.extend_from_slice(chunk));
        let whole = chunks.iter().enumerate().all(|(n, (index, _))| n == *index);
        Ok((whole && data.len() == blob.bytes()).then(|| data.freeze()))
    }

    /// An empty chunk takes the place of each chunk, and vanishes. That needs no more rights than to write
    /// the blob: a purge would need the right to purge the blobs of all queues.
    async fn blob_remove(&self, job: &JobKey, blob: &BlobRef) -> Result<(), TransportError> {
        let api = &*self.api;
        let count = blob.bytes().div_ceil(chunk_bytes(api.client().max_payload()));
        let chunk = |n| api.subjects.chunk(job, blob.name(), n);
        let remove = |n| async move { api.put_chunk(&chunk(n), Bytes::new(), REMOVED).await };
        stream::iter((0..count).map(remove))
            .buffer_unordered(PARALLEL_CHUNKS)
            .try_collect::<()>()
            .await?;
        // They were smaller, if the limit of the broker was lower at that time.
        for n in count.. {
            match api.last_on(chunk(n)).await? {
                Some(left) if !left.body.is_empty() => remove(n).await?,
                _ => break,
            }
        }
        api.put_chunk(&api.subjects.kept_blob(job, blob), Bytes::new(), REMOVED).await
    }

    async fn blobs_kept(&self, queue: &QueueName) -> Result<Vec<KeptBlob>, TransportError> {
        let kept = self.api.kept_blobs(queue).await;
        kept.map_err(|error| error.into_transport("list large arguments", self.api.url()))
    }

    async fn blob_stored_at(
        &self,
        job: &JobKey,
        blob: &BlobRef,
    ) -> Result<Option<Timestamp>, TransportError> {
        let kept = self.api.last_on(self.api.subjects.kept_blob(job, blob)).await?;
        Ok(kept.filter(|kept| !kept.body.is_empty()).map(|kept| kept.stored_at))
    }
}
