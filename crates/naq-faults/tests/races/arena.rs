//! A queue, a worker, and a ledger that the handlers write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_client::{Client, JobReport};
use naq_core::retry::RetryPolicy;
use naq_core::transport::{Evidence, JobKey, Place, Stored, Transport};
use naq_core::{
    Clock, ErrorKind, Failure, Job, JobState, QueueName, SystemClock, Timer, Timestamp,
};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{eventually, shared_server, unique};
use naq_worker::{Context, Exit, Registry, Worker, WorkerError};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(60);
const SLOTS: usize = 64;
/// When the first of many is due; the others follow it closely.
const AHEAD: Duration = Duration::from_secs(3);
/// The broker moves what is due within this.
const TICK: Duration = Duration::from_millis(250);

/// What a handler does at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ends {
    Well,
    /// With an error that is never retried.
    Dead,
    /// With an error at first, and well at the retry.
    Retried,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Race {
    ends: Ends,
    /// How long the handler goes on after it has said that it is about to end.
    more_ms: u64,
}

impl Job for Race {
    const NAME: &'static str = "race";
    type Output = ();
}

/// What the handlers did.
#[derive(Debug)]
pub(crate) struct Ledger {
    starts: Mutex<HashMap<String, Vec<u32>>>,
    /// Told of each job whose handler is about to end.
    ending: mpsc::UnboundedSender<JobKey>,
}

async fn race(job: Race, cx: Context<Arc<Ledger>>) -> Result<(), Failure> {
    let ledger = cx.state();
    let id = cx.job_id().to_string();
    ledger.starts.lock().unwrap().entry(id).or_default().push(cx.attempt());
    let key = JobKey { queue: cx.queue().clone(), id: cx.job_id().clone() };
    // Nobody listens where the start is what is raced.
    let _ = ledger.ending.send(key);
    if job.more_ms > 0 {
        until(SystemClock.now() + Duration::from_millis(job.more_ms)).await;
    }
    match job.ends {
        Ends::Dead => Err(Failure::new(ErrorKind::VALUE, "never again").fatal()),
        Ends::Retried if cx.attempt() == 1 => Err(Failure::msg("once more")),
        _ => Ok(()),
    }
}

pub(crate) struct Arena {
    pub(crate) client: Client,
    queue: QueueName,
    ledger: Arc<Ledger>,
    transport: Arc<dyn Transport>,
    stop: oneshot::Sender<()>,
    worker: JoinHandle<Result<Exit, WorkerError>>,
}

impl Arena {
    /// With a worker at work, and the jobs whose handlers are about to end.
    pub(crate) async fn new() -> (Self, mpsc::UnboundedReceiver<JobKey>) {
        let config = || NatsConfig::new(shared_server().url()).prefix("race");
        // The worker has a connection of its own, as in a process of its own.
        let transport = Arc::new(NatsTransport::connect(config()).await.unwrap());
        let theirs = Arc::new(NatsTransport::connect(config()).await.unwrap());
        let queue = QueueName::new(unique("races")).unwrap();
        let client = Client::new(transport.clone()).default_queue(queue.clone());
        let (ending, ended) = mpsc::unbounded_channel();
        let ledger = Arc::new(Ledger { starts: Mutex::default(), ending });
        let registry = Registry::with_state(ledger.clone()).task(race);
        let worker = Worker::builder(Client::new(theirs), registry)
            .queues([queue.as_str()])
            .concurrency(SLOTS)
            .chores(false)
            .build();
        let (stop, asked) = oneshot::channel();
        let worker = tokio::spawn(worker.run(async { drop(asked.await) }));
        let arena = Self { client, queue, ledger, transport, stop, worker };
        (arena, ended)
    }

    /// Enqueues a job whose handler takes so long, due in `delay`.
    pub(crate) async fn enqueue(&self, ends: Ends, more_ms: u64, delay: Duration) -> JobKey {
        let policy = RetryPolicy::builder().max_retries(1).delay(Duration::ZERO).build();
        let job = self.client.enqueue(Race { ends, more_ms }).policy(&policy).delay(delay);
        JobKey { queue: self.queue.clone(), id: job.await.unwrap().id().clone() }
    }

    /// Enqueues the nth of many that are due over some ticks, and returns between so long before it
    /// is due and the end of its tick.
    pub(crate) async fn enqueue_raced(&self, n: usize, before: Duration) -> JobKey {
        let delay = AHEAD + Duration::from_millis(3 * n as u64);
        let due = SystemClock.now() + delay;
        let key = self.enqueue(Ends::Well, 0, delay).await;
        let within = (before + TICK).as_millis() as u64;
        until(due.saturating_sub(before) + Duration::from_millis(37 * n as u64 % within)).await;
        key
    }

    /// When none of them waits or runs any more: what is left of each. The worker has stopped.
    pub(crate) async fn settle(self, keys: &[JobKey]) -> Vec<Left> {
        eventually("an end of every job", PATIENCE, async || {
            let traces = self.transport.evidence(keys).await.unwrap();
            let live = |it: &Evidence| matches!(it.place, Place::Queue | Place::Schedule);
            let open =
                traces.iter().filter(|list| list.is_empty() || list.iter().any(live)).count();
            (open == 0).then_some(()).ok_or(format!("{open} are open"))
        })
        .await;
        self.stop.send(()).unwrap();
        self.worker.await.unwrap().unwrap();
        let mut left = Vec::with_capacity(keys.len());
        for key in keys {
            let stored = self.transport.locate(key).await.unwrap();
            let starts = self.ledger.starts.lock().unwrap().get(key.id.as_str()).cloned();
            left.push(Left { key: key.clone(), stored, starts: starts.unwrap_or_default() });
        }
        left
    }
}

/// What is left of a job.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) key: JobKey,
    stored: Vec<Stored>,
    /// The attempts that its handler began, in their order.
    pub(crate) starts: Vec<u32>,
}

impl Left {
    /// Its one outcome: a record, and a letter if and only if it is dead. Nothing ran twice.
    pub(crate) fn outcome(&self) -> JobState {
        let at = |place| self.stored.iter().filter(move |it| it.place == place).count();
        assert_eq!(at(Place::Queue) + at(Place::Schedule), 0, "{self:?}");
        assert_eq!(at(Place::Record), 1, "{self:?}");
        let report = JobReport::resolve(&self.stored).unwrap();
        let dead = usize::from(report.state == JobState::Dead);
        assert_eq!(at(Place::Dead), dead, "{self:?}");
        assert!(self.starts.is_sorted_by(|a, b| a < b), "{self:?}");
        report.state
    }
}

/// Waits until `at`.
pub(crate) async fn until(at: Timestamp) {
    SystemClock.sleep_until(at).await;
}
