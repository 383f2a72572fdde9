//! A queue, a worker, and a ledger that the handlers write to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_client::{Client, JobReport};
use naq_core::retry::RetryPolicy;
use naq_core::testing::SkewedClock;
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

const TIME_LIMIT: Duration = Duration::from_secs(60);
const SLOTS: usize = 64;
/// When the first of many jobs is due. The others follow within a short time.
const AHEAD: Duration = Duration::from_secs(3);
/// How late the broker moves due jobs to the queue.
const TICK: Duration = Duration::from_millis(250);

/// By how much a lost race moves the lead: far more than a race is decided by, far less than all of
/// them together need.
const LEAD_STEP_MS: i64 = 5;

/// How a handler ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HandlerEnd {
    /// It succeeds.
    Success,
    /// It returns an error that is never retried.
    Dead,
    /// It fails at the first attempt and succeeds at the retry.
    Retried,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Race {
    ends: HandlerEnd,
    /// How long the handler continues after it has reported that it is about to end, besides
    /// [`Ledger::lead_ms`].
    more_ms: u64,
}

impl Job for Race {
    const NAME: &'static str = "race";
    type Output = ();
}

/// What the handlers have done.
#[derive(Debug)]
pub(crate) struct Ledger {
    starts: Mutex<HashMap<String, Vec<u32>>>,
    /// Receives each job whose handler is about to end.
    ending: mpsc::UnboundedSender<JobKey>,
    /// How long each handler waits for the other side of the race. If it is negative, the other side
    /// waits for the handler.
    lead_ms: AtomicI64,
}

impl Ledger {
    /// How long the handler waits.
    fn handler_waits(&self) -> Duration {
        Duration::from_millis(self.lead_ms.load(Ordering::Relaxed).max(0).unsigned_abs())
    }

    /// Waits as long as the other side of a race with the handlers must.
    pub(crate) async fn wait_for_handler(&self) {
        let lead_ms = self.lead_ms.load(Ordering::Relaxed);
        if lead_ms < 0 {
            until(SystemClock.now() + Duration::from_millis(lead_ms.unsigned_abs())).await;
        }
    }

    /// Gives the side that has just lost a race a larger lead in those that follow, so that both sides
    /// win, on a fast machine and on a slow one.
    pub(crate) fn help_loser(&self, handler_won: bool) {
        let more = if handler_won { LEAD_STEP_MS } else { -LEAD_STEP_MS };
        self.lead_ms.fetch_add(more, Ordering::Relaxed);
    }
}

async fn race(job: Race, cx: Context<Arc<Ledger>>) -> Result<(), Failure> {
    let ledger = cx.state();
    let id = cx.job_id().to_string();
    ledger.starts.lock().unwrap().entry(id).or_default().push(cx.attempt());
    let key = JobKey::new(cx.queue().clone(), cx.job_id().clone());
    // Tests of a race with the start do not read this.
    let _ = ledger.ending.send(key);
    let wait = ledger.handler_waits() + Duration::from_millis(job.more_ms);
    if wait > Duration::ZERO {
        until(SystemClock.now() + wait).await;
    }
    match job.ends {
        HandlerEnd::Dead => Err(Failure::new(ErrorKind::VALUE, "fatal").fatal()),
        HandlerEnd::Retried if cx.attempt() == 1 => Err(Failure::msg("retry")),
        _ => Ok(()),
    }
}

pub(crate) struct RaceSetup {
    pub(crate) client: Client,
    queue: QueueName,
    pub(crate) ledger: Arc<Ledger>,
    transport: Arc<dyn Transport>,
    stop: oneshot::Sender<()>,
    worker: JoinHandle<Result<Exit, WorkerError>>,
}

impl RaceSetup {
    /// Starts a worker. Also returns the jobs whose handlers are about to end.
    pub(crate) async fn new() -> (Self, mpsc::UnboundedReceiver<JobKey>) {
        Self::with_clocks(0, 0).await
    }

    /// Starts a worker. Its clock and the producer's are so many milliseconds ahead.
    pub(crate) async fn with_clocks(
        worker_ahead_ms: i64,
        producer_ahead_ms: i64,
    ) -> (Self, mpsc::UnboundedReceiver<JobKey>) {
        let clock = |ahead_ms| Arc::new(SkewedClock::new(SystemClock, ahead_ms));
        let config = |ahead_ms| {
            let mut config = NatsConfig::new(shared_server().url()).prefix("race");
            config.clock = clock(ahead_ms);
            config
        };
        // The worker has its own connection, as it would have in its own process.
        let transport = NatsTransport::connect(config(producer_ahead_ms)).await.unwrap();
        let transport = Arc::new(transport);
        let worker_transport = NatsTransport::connect(config(worker_ahead_ms)).await.unwrap();
        let worker_transport = Arc::new(worker_transport);
        let queue = QueueName::new(unique("races")).unwrap();
        let client = Client::new(transport.clone()).default_queue(queue.clone());
        let client = client.clock(clock(producer_ahead_ms));
        let (ending, ended) = mpsc::unbounded_channel();
        let ledger =
            Arc::new(Ledger { starts: Mutex::default(), ending, lead_ms: AtomicI64::new(0) });
        let registry = Registry::with_state(ledger.clone()).task(race);
        let worker = Worker::builder(Client::new(worker_transport), registry)
            .queues([queue.as_str()])
            .clock(clock(worker_ahead_ms))
            .concurrency(SLOTS)
            .chores(false)
            .build();
        let (stop, stopped) = oneshot::channel();
        let worker = tokio::spawn(worker.run(async { drop(stopped.await) }));
        let setup = Self { client, queue, ledger, transport, stop, worker };
        (setup, ended)
    }

    /// Enqueues a job that is due in `delay` and whose handler takes `more_ms`.
    pub(crate) async fn enqueue(&self, ends: HandlerEnd, more_ms: u64, delay: Duration) -> JobKey {
        let policy = RetryPolicy::builder().max_retries(1).delay(Duration::ZERO).build();
        let job = self.client.enqueue(Race { ends, more_ms }).policy(&policy).delay(delay);
        JobKey::new(self.queue.clone(), job.await.unwrap().id().clone())
    }

    /// Enqueues a job that expires after this time.
    pub(crate) async fn enqueue_until(&self, ends: HandlerEnd, expires_in: Duration) -> JobKey {
        let policy = RetryPolicy::builder().max_retries(1).delay(Duration::ZERO).build();
        let job = self.client.enqueue(Race { ends, more_ms: 0 }).policy(&policy);
        let sent = job.expires_in(expires_in).await.unwrap();
        JobKey::new(self.queue.clone(), sent.id().clone())
    }

    /// Waits until the job has this state.
    pub(crate) async fn has_state(&self, key: &JobKey, state: JobState) {
        eventually("the job to have its state", TIME_LIMIT, async || {
            let found = self.client.report(key).await.map(|report| report.state);
            matches!(&found, Ok(found) if *found == state).then_some(()).ok_or(format!("{found:?}"))
        })
        .await;
    }

    /// Enqueues the nth of many jobs, which are due over some ticks of the broker. Returns at a time
    /// between `before` its due time and the end of its tick.
    pub(crate) async fn enqueue_raced(&self, n: usize, before: Duration) -> JobKey {
        let delay = AHEAD + Duration::from_millis(3 * n as u64);
        let due = SystemClock.now() + delay;
        let key = self.enqueue(HandlerEnd::Success, 0, delay).await;
        // Beyond the tick, so that the broker wins some of the races too.
        let within = (before + TICK * 3).as_millis() as u64;
        until(due.saturating_sub(before) + Duration::from_millis(37 * n as u64 % within)).await;
        key
    }

    /// Waits until all jobs have ended, stops the worker, and returns what is stored of each job.
    pub(crate) async fn finish(self, keys: &[JobKey]) -> Vec<FinishedJob> {
        eventually("all jobs to end", TIME_LIMIT, async || {
            let evidence = self.transport.evidence(keys).await.unwrap();
            let live = |it: &Evidence| matches!(it.place, Place::Queue | Place::Schedule);
            let open =
                evidence.iter().filter(|list| list.is_empty() || list.iter().any(live)).count();
            (open == 0).then_some(()).ok_or(format!("{open} jobs have not ended"))
        })
        .await;
        self.stop.send(()).unwrap();
        self.worker.await.unwrap().unwrap();
        let mut finished = Vec::with_capacity(keys.len());
        for key in keys {
            let stored = self.transport.locate(key).await.unwrap();
            let starts = self.ledger.starts.lock().unwrap().get(key.id.as_str()).cloned();
            finished.push(FinishedJob {
                key: key.clone(),
                stored,
                starts: starts.unwrap_or_default(),
            });
        }
        finished
    }
}

/// What is stored of a job after its end.
#[derive(Debug)]
pub(crate) struct FinishedJob {
    pub(crate) key: JobKey,
    stored: Vec<Stored>,
    /// The attempts that its handler started, in order.
    pub(crate) starts: Vec<u32>,
}

impl FinishedJob {
    /// Its final state. Checks that it has one record, a dead letter only if it is dead, and that no
    /// attempt ran twice.
    pub(crate) fn final_state(&self) -> JobState {
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

/// The time by the machine's clock, which is the broker's.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// Waits until `at`.
pub(crate) async fn until(at: Timestamp) {
    SystemClock.sleep_until(at).await;
}
