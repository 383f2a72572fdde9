//! What is in the broker: many jobs that wait, some that died, and some that come and go.

use std::time::Duration;

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use naq_client::Client;
use naq_core::{ErrorKind, Failure};
use naq_nats::NatsConfig;
use naq_worker::{Context, Registry, Worker};
use serde_json::{Value, json};
use tokio::process::Child;

use super::super::Part;
use super::super::memory::{parent_ends, spawn, stop};
use super::super::naq::Naq;
use super::super::side::{Running, eventually, pause};
use crate::connection::connect;

/// Jobs of one call, and calls under way at once.
const CHUNK: usize = 2000;
const CHUNKS: usize = 3;
/// Queues of jobs that nobody works on.
const QUEUES: usize = 9;
/// The queue that is worked on.
const BUSY: &str = "busy";
/// Jobs that come every tenth of a second.
const BURST: usize = 5;

/// Stores so many jobs: of a hundred, one is dead, ten are scheduled, and the others pending.
pub(super) async fn fill(naq: &Naq, jobs: usize) -> Result<()> {
    let dead = jobs / 100;
    let mut worker = spawn(&naq.config, Part::Traffic)?;
    send(&naq.client, BUSY, "bench.dies", dead, 0).await?;
    let died = || format!("{dead} dead letters");
    eventually(died, async || Ok(left(&naq.client).await? == 0)).await?;
    stop(&mut worker).await?;
    let waiting = jobs / 10;
    let each = (jobs - dead - waiting) / QUEUES;
    for n in 0..QUEUES {
        let queue = format!("queue-{n}");
        send(&naq.client, &queue, "bench.waits", each, 0).await?;
        send(&naq.client, &queue, "bench.waits", waiting / QUEUES, 3_600_000).await?;
    }
    Ok(())
}

/// Enqueues `count` jobs, due within the hour after `after_ms` if that is not zero.
async fn send(client: &Client, queue: &str, task: &str, count: usize, after_ms: u64) -> Result<()> {
    let chunk = async |from: usize| {
        let job = |n: usize| {
            let job = client.enqueue_task(task, &json!({ "n": n }))?.queue(queue);
            let due = Duration::from_millis(after_ms + n as u64 * 37 % 3_600_000);
            let job = if after_ms > 0 { job.delay(due) } else { job };
            anyhow::Ok(job.max_retries(2).retry_delay(Duration::from_secs(2)).prepare()?)
        };
        let jobs = (from..count.min(from + CHUNK)).map(job).collect::<Result<Vec<_>>>()?;
        for sent in client.enqueue_many(jobs).await {
            sent?;
        }
        anyhow::Ok(())
    };
    stream::iter((0..count).step_by(CHUNK)).map(chunk).buffered(CHUNKS).try_collect().await
}

/// What is left in the queue that is worked on.
async fn left(client: &Client) -> Result<u64> {
    let queues = client.queues().await?;
    let busy = queues.iter().find(|queue| queue.name.as_str() == BUSY);
    Ok(busy.map_or(0, |queue| queue.pending + queue.running + queue.waiting))
}

/// The worker of the queue that is worked on, until standard input ends.
pub(crate) async fn work(config: NatsConfig) -> Result<()> {
    let registry = Registry::new().raw("bench.dies", dies).raw("bench.comes", comes);
    let worker = Worker::builder(connect(config).await?, registry).queue(BUSY).concurrency(20);
    worker.build().run(parent_ends()).await?;
    Ok(())
}

async fn dies(args: Value, _: Context) -> Result<(), Failure> {
    let shape = args["n"].as_u64().unwrap_or_default() % 20;
    let word = char::from(b'a' + u8::try_from(shape).unwrap_or_default());
    Err(Failure::new(ErrorKind::VALUE, format!("row {args} has no column {word}")).fatal())
}

/// One of ten fails once, one of fifty for good.
async fn comes(args: Value, cx: Context) -> Result<(), Failure> {
    let n = args["n"].as_u64().unwrap_or_default();
    pause(Duration::from_millis(10)).await;
    if n % 50 == 7 || (n % 10 == 3 && cx.attempt() == 1) {
        return Err(Failure::new(ErrorKind::CONNECTION, format!("10.0.0.{} refused", n % 250)));
    }
    Ok(())
}

/// Jobs that come and go, so that there is news.
pub(super) struct Traffic {
    worker: Child,
    producer: Running,
}

impl Traffic {
    pub(super) fn start(naq: &Naq) -> Result<Self> {
        let client = naq.client.clone();
        let producer = Running::start(|mut told| async move {
            for burst in 0.. {
                let jobs = (0..BURST).map(|n| {
                    let args = json!({ "n": burst * BURST + n });
                    let job = client.enqueue_task("bench.comes", &args)?.queue(BUSY);
                    anyhow::Ok(job.max_retries(1).retry_delay(Duration::from_secs(2)).prepare()?)
                });
                let jobs = jobs.collect::<Result<Vec<_>>>()?;
                for sent in client.enqueue_many(jobs).await {
                    sent?;
                }
                pause(Duration::from_millis(100)).await;
                if told.try_recv() != Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
                    break;
                }
            }
            Ok(())
        });
        Ok(Self { worker: spawn(&naq.config, Part::Traffic)?, producer })
    }

    pub(super) async fn stop(mut self) -> Result<()> {
        self.producer.stop().await?;
        stop(&mut self.worker).await
    }
}
