//! The jobs in the broker: many that wait, some dead ones, and running traffic.

use std::time::Duration;

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use naq_client::Client;
use naq_core::{ErrorKind, Failure};
use naq_nats::NatsConfig;
use naq_worker::{Context, Registry, Worker};
use serde_json::{Value, json};
use tokio::process::Child;

use crate::args::ChildRole;
use crate::contestant::{RunningWorker, eventually, pause};
use crate::memory::{spawn, stop, wait_for_parent_end};
use crate::naq::NaqContestant;
use crate::naq::connect;

/// Jobs in one call, and calls in flight at once.
const CHUNK: usize = 2000;
const CHUNKS: usize = 3;
/// Queues without a worker.
const QUEUES: usize = 9;
/// The queue that has a worker.
const BUSY: &str = "busy";
/// Jobs that the traffic enqueues every tenth of a second.
const BURST: usize = 5;

/// Stores `jobs` jobs: of a hundred, one is dead, ten are scheduled, and the others are pending.
pub(crate) async fn fill(naq: &NaqContestant, jobs: usize) -> Result<()> {
    let dead = jobs / 100;
    let mut worker = spawn(&naq.config, ChildRole::Traffic)?;
    send(&naq.client, BUSY, "bench.dies", dead, 0).await?;
    let died = || format!("{dead} dead letters");
    eventually(died, async || Ok(unfinished(&naq.client).await? == 0)).await?;
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

/// Enqueues `count` jobs. With an `after_ms` above zero they are due in the hour that begins then.
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

/// Jobs in the queue with the worker that have not ended.
async fn unfinished(client: &Client) -> Result<u64> {
    let queues = client.queues().await?;
    let busy = queues.iter().find(|queue| queue.name.as_str() == BUSY);
    Ok(busy.map_or(0, |queue| queue.pending + queue.running + queue.waiting))
}

/// The child process with the worker of the busy queue: works until standard input ends.
pub(crate) async fn work(config: NatsConfig) -> Result<()> {
    let registry = Registry::new().raw("bench.dies", dies).raw("bench.comes", comes);
    let worker = Worker::builder(connect(config).await?, registry).queue(BUSY).concurrency(20);
    worker.build().run(wait_for_parent_end()).await?;
    Ok(())
}

async fn dies(args: Value, _: Context) -> Result<(), Failure> {
    let shape = args["n"].as_u64().unwrap_or_default() % 20;
    let word = char::from(b'a' + u8::try_from(shape).unwrap_or_default());
    Err(Failure::new(ErrorKind::VALUE, format!("row {args} has no column {word}")).fatal())
}

/// One job in ten fails once, and one in fifty fails every time.
async fn comes(args: Value, cx: Context) -> Result<(), Failure> {
    let n = args["n"].as_u64().unwrap_or_default();
    pause(Duration::from_millis(10)).await;
    if n % 50 == 7 || (n % 10 == 3 && cx.attempt() == 1) {
        return Err(Failure::new(ErrorKind::CONNECTION, format!("10.0.0.{} refused", n % 250)));
    }
    Ok(())
}

/// Enqueues jobs for the worker during the measurement, so that the dashboard has updates to send.
pub(crate) struct Traffic {
    worker: Child,
    producer: RunningWorker,
}

impl Traffic {
    pub(crate) fn start(naq: &NaqContestant) -> Result<Self> {
        let client = naq.client.clone();
        let producer = RunningWorker::start(|mut stop| async move {
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
                if stop.try_recv() != Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
                    break;
                }
            }
            Ok(())
        });
        Ok(Self { worker: spawn(&naq.config, ChildRole::Traffic)?, producer })
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        self.producer.stop().await?;
        stop(&mut self.worker).await
    }
}
