//! NAQ, as an application uses it: a client that enqueues, and a real worker in this process.

use std::time::Duration;

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use naq_client::Client;
use naq_core::transport::JobKey;
use naq_core::{ErrorKind, Failure, Job, JobOptions, RetryPolicy};
use naq_nats::NatsConfig;
use naq_worker::{Context, Registry, Worker};
use serde::{Deserialize, Serialize};

use super::side::{Kind, Running, Seen, Side};
use super::topology::{QUEUE, Streams};
use crate::connection::connect;

/// Jobs of one call of `enqueue_many`.
const CHUNK: usize = 2000;
/// Calls under way at once.
const CHUNKS: usize = 3;

/// The job of every measure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Probe {
    pub(super) n: usize,
    /// How long it takes, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) takes_ms: u64,
    /// Whether its first attempt fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) fails_once: bool,
    pub(super) pad: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Job for Probe {
    const NAME: &'static str = "bench.probe";
    type Output = ();

    fn options() -> JobOptions {
        JobOptions::new().queue(QUEUE)
    }
}

/// Marks each job that starts; with failures, each that starts again.
pub(super) fn registry(seen: Seen) -> Registry<Seen> {
    Registry::with_state(seen).task(handle)
}

async fn handle(job: Probe, cx: Context<Seen>) -> Result<(), Failure> {
    if job.fails_once && cx.attempt() == 1 {
        return Err(Failure::new(ErrorKind::CONNECTION, "fails once"));
    }
    cx.state().mark(job.n);
    if job.takes_ms > 0 {
        super::side::pause(Duration::from_millis(job.takes_ms)).await;
    }
    Ok(())
}

/// Starts a worker on this connection.
pub(super) fn run(client: Client, slots: usize, seen: Seen) -> Running {
    let worker = Worker::builder(client, registry(seen)).queue(QUEUE).concurrency(slots).build();
    Running::start(|stop| async move {
        worker.run(async { drop(stop.await) }).await?;
        Ok(())
    })
}

/// The NAQ side.
pub(super) struct Naq {
    pub(super) config: NatsConfig,
    pub(super) client: Client,
    streams: Streams,
    pad: String,
}

impl Naq {
    pub(super) async fn connect(
        config: NatsConfig,
        streams: Streams,
        payload: usize,
    ) -> Result<Self> {
        let client = connect(config.clone()).await?;
        // What the rest of the arguments takes: {"n":0,"pad":""}
        let pad = "x".repeat(payload.saturating_sub(16));
        Ok(Self { config, client, streams, pad })
    }

    pub(super) fn probe(&self, n: usize) -> Probe {
        Probe { n, takes_ms: 0, fails_once: false, pad: self.pad.clone() }
    }

    /// Enqueues many, with many under way at once: while some are sent, the next are prepared.
    pub(super) async fn send(
        &self,
        jobs: impl IntoIterator<Item = Probe>,
        kind: Kind,
    ) -> Result<()> {
        let mut jobs = jobs.into_iter();
        let chunks = std::iter::from_fn(|| {
            let chunk: Vec<Probe> = jobs.by_ref().take(CHUNK).collect();
            (!chunk.is_empty()).then_some(chunk)
        });
        stream::iter(chunks)
            .map(|chunk| self.send_chunk(chunk, kind))
            .buffered(CHUNKS)
            .try_collect::<()>()
            .await
    }

    async fn send_chunk(&self, jobs: Vec<Probe>, kind: Kind) -> Result<()> {
        let prepared = jobs.into_iter().map(|job| {
            let mut job = self.client.enqueue(job);
            if !kind.records {
                job = job.record_ttl(Duration::ZERO);
            }
            if let Some(delay) = kind.delay {
                job = job.delay(delay);
            }
            job.prepare()
        });
        let prepared = prepared.collect::<Result<Vec<_>, _>>()?;
        for sent in self.client.enqueue_many(prepared).await {
            sent?;
        }
        Ok(())
    }

    /// Enqueues a job whose first attempt fails, to be tried again after `delay`.
    pub(super) async fn send_failing(&self, n: usize, delay: Duration) -> Result<JobKey> {
        let job = Probe { fails_once: true, ..self.probe(n) };
        let policy = RetryPolicy::builder().max_retries(1).delay(delay).build();
        let handle = self.client.enqueue(job).policy(&policy).await?;
        Ok(JobKey { queue: handle.queue().clone(), id: handle.id().clone() })
    }
}

impl Side for Naq {
    async fn enqueue(&self, n: usize, kind: Kind) -> Result<()> {
        let mut job = self.client.enqueue(self.probe(n));
        if !kind.records {
            job = job.record_ttl(Duration::ZERO);
        }
        job.await?;
        Ok(())
    }

    async fn enqueue_many(&self, count: usize, kind: Kind) -> Result<()> {
        self.send((0..count).map(|n| self.probe(n)), kind).await
    }

    async fn work(&self, slots: usize, _kind: Kind, seen: Seen) -> Result<Running> {
        Ok(run(connect(self.config.clone()).await?, slots, seen))
    }

    fn streams(&self) -> &Streams {
        &self.streams
    }
}
