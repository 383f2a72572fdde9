//! What is too large for a message, in chunks of a stream of their own. Not the object store of
//! NATS: that keeps all of a bucket equally long, and each of these has a lifetime (ADR 0012).

use std::time::Duration;

use async_nats::HeaderMap;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use naq_core::transport::{BlobRef, Blobs, JobKey, TransportError};

use crate::api::Api;
use crate::error::ApiError;
use crate::message::TTL;
use crate::records;
use crate::transport::NatsTransport;

/// The bytes of one chunk, or half of what the broker takes if that is less.
const CHUNK: usize = 256 * 1024;
/// Chunks on their way at once.
const AT_ONCE: usize = 8;
/// Chunks read at once.
const PAGE: usize = 32;

impl Api {
    async fn put_chunk(
        &self,
        subject: &str,
        data: Bytes,
        ttl: Duration,
    ) -> Result<(), TransportError> {
        let mut headers = HeaderMap::new();
        headers.insert(TTL, records::ttl(ttl));
        let mut tries = self.tries("write to", subject);
        loop {
            match self.store(subject, headers.clone(), data.clone()).await {
                Ok(_) => return Ok(()),
                Err(ApiError::NoResponders) => {
                    if !self.ensure_stream(&self.blobs_config()).await? {
                        tries.again(ApiError::NoResponders).await?;
                    }
                }
                Err(error) => tries.again(error).await?,
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
        let size = CHUNK.min(api.client().max_payload() / 2).max(1);
        let puts = (0..data.len().div_ceil(size)).map(|n| {
            let chunk = data.slice(n * size..data.len().min((n + 1) * size));
            let subject = api.subjects.chunk(job, blob.name(), n);
            async move { api.put_chunk(&subject, chunk, ttl).await }
        });
        stream::iter(puts).buffer_unordered(AT_ONCE).try_collect::<()>().await
    }

    async fn blob_get(
        &self,
        job: &JobKey,
        blob: &BlobRef,
    ) -> Result<Option<Bytes>, TransportError> {
        blob.check_size()?;
        let api = &*self.api;
        let (stream, all) = (api.subjects.blobs_stream(), api.subjects.chunks(job, blob.name()));
        let (mut chunks, mut from) = (Vec::new(), 1);
        loop {
            let batch = api.next_of(&stream, &all, from, PAGE).await?;
            let Some(last) = batch.held.last().map(|held| held.seq) else { break };
            let place = |subject: &str| subject.rsplit('.').next()?.parse::<usize>().ok();
            let read = |held: crate::direct::Held| Some((place(&held.subject)?, held.body));
            chunks.extend(batch.held.into_iter().filter_map(read));
            if batch.left == 0 {
                break;
            }
            from = last + 1;
        }
        chunks.sort_by_key(|(place, _)| *place);
        let mut data = BytesMut::with_capacity(blob.bytes());
        chunks.iter().for_each(|(_, chunk)| data.extend_from_slice(chunk));
        let whole = chunks.iter().enumerate().all(|(n, (place, _))| n == *place);
        Ok((whole && data.len() == blob.bytes()).then(|| data.freeze()))
    }
}
