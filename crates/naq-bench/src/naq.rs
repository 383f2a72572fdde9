//! [`NaqContestant`]: NAQ as an application uses it, with a client that enqueues and a real worker in
//! this process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use naq_client::Client;
use naq_core::transport::JobKey;
use naq_core::{ErrorKind, Failure, Job, JobOptions, RetryPolicy};
use naq_nats::{NatsConfig, NatsTransport};
use naq_worker::{Context, Registry, Worker, WorkerBuilder};
use serde::{Deserialize, Serialize};

use crate::contestant::{Contestant, JobShape, RunningWorker, StartTimes};
use crate::topology::{BenchStreams, QUEUE};

/// Jobs in one call of `enqueue_many`.
const CHUNK: usize = 2000;
/// Calls in flight at once.
const CHUNKS: usize = 3;

/// The job that every measure enqueues.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BenchJob {
    pub(crate) n: usize,
    /// How long its handler takes, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) takes_ms: u64,
    /// Whether its first attempt fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) fails_once: bool,
    pub(crate) pad: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Job for BenchJob {
    const NAME: &'static str = "bench.probe";
    type Output = ();

    fn options() -> JobOptions {
        JobOptions::new().queue(QUEUE)
    }
}

/// A registry whose handler notes in `starts` when each job starts. A job that fails once is noted at
/// its second attempt.
pub(crate) fn registry(starts: StartTimes) -> Registry<StartTimes> {
    Registry::with_state(starts).task(handle)
}

async fn handle(job: BenchJob, cx: Context<StartTimes>) -> Result<(), Failure> {
    if job.fails_once && cx.attempt() == 1 {
        return Err(Failure::new(ErrorKind::CONNECTION, "fails once"));
    }
    cx.state().mark(job.n);
    if job.takes_ms > 0 {
        crate::contestant::pause(Duration::from_millis(job.takes_ms)).await;
    }
    Ok(())
}

/// A client on a new connection.
pub(crate) async fn connect(config: NatsConfig) -> Result<Client> {
    let transport = NatsTransport::connect(config).await?;
    Ok(Client::new(Arc::new(transport)))
}

/// Starts a worker that uses the connection of `client`.
pub(crate) fn run(client: Client, slots: usize, starts: StartTimes) -> RunningWorker {
    run_with(client, slots, starts, |builder| builder)
}

/// Starts a worker that takes only signed jobs.
pub(crate) fn run_strict(client: Client, slots: usize, starts: StartTimes) -> RunningWorker {
    run_with(client, slots, starts, |builder| builder.require_signed(QUEUE))
}

fn run_with(
    client: Client,
    slots: usize,
    starts: StartTimes,
    change: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
) -> RunningWorker {
    let builder = Worker::builder(client, registry(starts)).queue(QUEUE).concurrency(slots);
    let worker = change(builder).build();
    RunningWorker::start(|stop| async move {
        worker.run(async { drop(stop.await) }).await?;
        Ok(())
    })
}

/// The NAQ side.
pub(crate) struct NaqContestant {
    pub(crate) config: NatsConfig,
    pub(crate) client: Client,
    streams: BenchStreams,
    pad: String,
}

impl NaqContestant {
    pub(crate) async fn connect(
        config: NatsConfig,
        streams: BenchStreams,
        payload: usize,
    ) -> Result<Self> {
        let client = connect(config.clone()).await?;
        // 16 bytes are the rest of the arguments: {"n":0,"pad":""}
        let pad = "x".repeat(payload.saturating_sub(16));
        Ok(Self { config, client, streams, pad })
    }

    pub(crate) fn probe(&self, n: usize) -> BenchJob {
        BenchJob { n, takes_ms: 0, fails_once: false, pad: self.pad.clone() }
    }

    /// Enqueues many jobs with several calls in flight: while some are sent, the next are prepared.
    pub(crate) async fn send(
        &self,
        jobs: impl IntoIterator<Item = BenchJob>,
        shape: JobShape,
    ) -> Result<()> {
        let mut jobs = jobs.into_iter();
        let chunks = std::iter::from_fn(|| {
            let chunk: Vec<BenchJob> = jobs.by_ref().take(CHUNK).collect();
            (!chunk.is_empty()).then_some(chunk)
        });
        stream::iter(chunks)
            .map(|chunk| self.send_chunk(chunk, shape))
            .buffered(CHUNKS)
            .try_collect::<()>()
            .await
    }

    async fn send_chunk(&self, jobs: Vec<BenchJob>, shape: JobShape) -> Result<()> {
        let prepared = jobs.into_iter().map(|job| {
            let mut job = self.client.enqueue(job);
            if !shape.records {
                job = job.record_ttl(Duration::ZERO);
            }
            if let Some(delay) = shape.delay {
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

    /// Enqueues a job whose first attempt fails and whose retry is due after `delay`.
    pub(crate) async fn send_failing(&self, n: usize, delay: Duration) -> Result<JobKey> {
        let job = BenchJob { fails_once: true, ..self.probe(n) };
        let policy = RetryPolicy::builder().max_retries(1).delay(delay).build();
        let handle = self.client.enqueue(job).policy(&policy).await?;
        Ok(JobKey::new(handle.queue().clone(), handle.id().clone()))
    }
}

impl Contestant for NaqContestant {
    async fn enqueue(&self, n: usize, shape: JobShape) -> Result<()> {
        let mut job = self.client.enqueue(self.probe(n));
        if !shape.records {
            job = job.record_ttl(Duration::ZERO);
        }
        job.await?;
        Ok(())
    }

    async fn enqueue_many(&self, count: usize, shape: JobShape) -> Result<()> {
        self.send((0..count).map(|n| self.probe(n)), shape).await
    }

    async fn work(
        &self,
        slots: usize,
        _shape: JobShape,
        starts: StartTimes,
    ) -> Result<RunningWorker> {
        Ok(run(connect(self.config.clone()).await?, slots, starts))
    }

    fn streams(&self) -> &BenchStreams {
        &self.streams
    }
}
