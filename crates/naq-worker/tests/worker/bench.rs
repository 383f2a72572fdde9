//! A broker in memory, a clock that stands still, and a task that follows a script.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_client::{Client, JobReport};
use naq_core::testing::{FaultPlan, FaultyTransport, ManualClock};
use naq_core::transport::{Transport, WorkerInfo};
use naq_core::{ErrorKind, Failure, Job, JobId, JobOptions, JobState, Timer};
use naq_memory::MemoryTransport;
use naq_worker::{
    Context, Exit, HandlerRuntime, Health, Registry, Worker, WorkerBuilder, WorkerError,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

pub(crate) const LEASE: Duration = Duration::from_secs(10);

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What the handler of one attempt does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Do {
    Succeed,
    Fail(String),
    Fatal,
    RetryAfter(u64),
    Snooze(u64),
    Cancel,
    Panic,
    PanicInDrop,
    /// Until it has to stop; for ever if it does not heed that.
    Hang {
        heed: bool,
    },
    /// Until the test opens the gate.
    Gate,
    Big(usize),
}

/// A job whose attempts follow a script; the last line repeats.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Script(pub(crate) Vec<Do>);

impl Job for Script {
    const NAME: &'static str = "script";
    type Output = String;

    fn options() -> JobOptions {
        JobOptions::new()
    }
}

/// What the handlers did.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Starts of each job.
    starts: Mutex<HashMap<String, u32>>,
    /// Jobs in the order of their starts.
    order: Mutex<Vec<String>>,
    pub(crate) gate: Notify,
    pub(crate) stopped: AtomicBool,
}

impl Seen {
    pub(crate) fn starts(&self, id: &str) -> u32 {
        self.starts.lock().expect("not poisoned").get(id).copied().unwrap_or(0)
    }

    pub(crate) fn total(&self) -> usize {
        self.order.lock().expect("not poisoned").len()
    }

    pub(crate) fn order(&self) -> Vec<String> {
        self.order.lock().expect("not poisoned").clone()
    }

    fn start(&self, id: &JobId) -> u32 {
        self.order.lock().expect("not poisoned").push(id.to_string());
        let mut starts = self.starts.lock().expect("not poisoned");
        let n = starts.entry(id.to_string()).or_default();
        *n += 1;
        *n
    }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

pub(crate) async fn script(job: Script, cx: Context<Arc<Seen>>) -> Result<String, Failure> {
    let seen = cx.state().clone();
    seen.start(cx.job_id());
    let line = (cx.attempt() as usize - 1).min(job.0.len() - 1);
    match job.0[line].clone() {
        Do::Succeed => Ok(format!("{cx}")),
        Do::Fail(kind) => Err(Failure::msg("as the script says").with_kind(kind_of(kind))),
        Do::Fatal => Err(Failure::new(ErrorKind::VALUE, "never again").fatal()),
        Do::RetryAfter(after) => Err(Failure::msg("busy").retry_after(secs(after))),
        Do::Snooze(after) if seen.starts(cx.job_id().as_str()) == 1 => {
            Err(Failure::snooze(secs(after)))
        }
        Do::Snooze(_) => Ok("awake".into()),
        Do::Cancel => Err(Failure::cancel("not needed")),
        Do::Panic => panic!("as the script says"),
        Do::PanicInDrop => {
            let _bomb = PanicsWhenDropped;
            std::future::pending::<()>().await;
            unreachable!()
        }
        Do::Hang { heed: true } => {
            cx.cancelled().await;
            seen.stopped.store(true, Ordering::SeqCst);
            Err(Failure::msg("told to stop"))
        }
        Do::Hang { heed: false } => std::future::pending().await,
        Do::Gate => {
            seen.gate.notified().await;
            Ok("let through".into())
        }
        Do::Big(size) => Ok("x".repeat(size)),
    }
}

fn kind_of(text: String) -> ErrorKind {
    ErrorKind::new(text).expect("a kind")
}

pub(crate) fn registry(seen: &Arc<Seen>) -> Registry<Arc<Seen>> {
    Registry::with_state(seen.clone()).task(script)
}

pub(crate) struct Bench {
    pub(crate) clock: ManualClock,
    pub(crate) broker: MemoryTransport,
    pub(crate) client: Client,
    pub(crate) seen: Arc<Seen>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new();
        let timer: Arc<dyn Timer> = Arc::new(clock.clone());
        let broker = MemoryTransport::with_timer(timer);
        let client = Client::new(Arc::new(broker.clone())).clock(Arc::new(clock.clone()));
        Self { clock, broker, client, seen: Arc::default() }
    }

    /// A worker on the test's own runtime and clock.
    pub(crate) fn builder(&self, over: Arc<dyn Transport>) -> WorkerBuilder {
        self.builder_of(over, registry(&self.seen))
    }

    pub(crate) fn builder_of<S: Clone + Send + Sync + 'static>(
        &self,
        over: Arc<dyn Transport>,
        registry: Registry<S>,
    ) -> WorkerBuilder {
        Worker::builder(Client::new(over), registry)
            .clock(Arc::new(self.clock.clone()))
            .handler_runtime(HandlerRuntime::Current)
            .chores(false)
            .lease(LEASE)
    }

    /// Starts a worker, and lets it run once.
    pub(crate) async fn start(&self) -> Running {
        self.start_with(|builder| builder).await
    }

    pub(crate) async fn start_with(
        &self,
        change: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
    ) -> Running {
        let running = run(change(self.builder(Arc::new(self.broker.clone()))));
        self.turn().await;
        running
    }

    /// Starts a worker whose transport fails as planned.
    pub(crate) async fn start_faulty(
        &self,
        plan: FaultPlan,
    ) -> (Running, Arc<FaultyTransport<MemoryTransport>>) {
        let faulty = Arc::new(FaultyTransport::new(self.broker.clone(), plan));
        let running = run(self.builder(faulty.clone()));
        self.turn().await;
        (running, faulty)
    }

    /// Lets all tasks run until nothing more happens at this time.
    pub(crate) async fn turn(&self) {
        for _ in 0..8 {
            self.clock.advance(Duration::ZERO).await;
        }
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, by: Duration) {
        self.clock.advance(by).await;
        self.turn().await;
    }

    pub(crate) async fn enqueue(&self, id: &str, script: impl Into<Vec<Do>>) {
        self.client.enqueue(Script(script.into())).id(id).await.expect("enqueued");
        self.turn().await;
    }

    pub(crate) async fn report(&self, id: &str) -> JobReport {
        self.client.job(&JobId::new(id).expect("an id"), None).await.expect("a job")
    }

    pub(crate) async fn state(&self, id: &str) -> JobState {
        self.report(id).await.state
    }

    /// Outcome and rule of each entry in the job's history.
    pub(crate) async fn history(&self, id: &str) -> Vec<String> {
        let report = self.report(id).await;
        let history = report.envelope.expect("readable").history;
        history
            .iter()
            .map(|r| {
                let rule = r.rule.map_or("-", |rule| rule.as_str());
                format!("{}:{:?}:{rule}", r.attempt, r.outcome)
            })
            .collect()
    }

    pub(crate) async fn workers(&self) -> Vec<WorkerInfo> {
        self.client.list_workers().await.expect("a list")
    }

    /// How many jobs of the queue `default` the broker has forgotten.
    pub(crate) async fn forgotten(&self) -> u64 {
        let queues = self.client.queues().await.expect("a list");
        queues.iter().map(|q| q.forgotten).sum()
    }

    /// What is left in the queue `default`, waiting jobs included.
    pub(crate) async fn left(&self) -> u64 {
        let queues = self.client.queues().await.expect("a list");
        queues.iter().map(|q| q.pending + q.running + q.waiting).sum()
    }
}

/// A worker in a task.
pub(crate) struct Running {
    task: JoinHandle<Result<Exit, WorkerError>>,
    health: Health,
    stop: Option<oneshot::Sender<()>>,
}

pub(crate) fn run(builder: WorkerBuilder) -> Running {
    let (stop, asked) = oneshot::channel();
    let worker = builder.build();
    let health = worker.health();
    let task = tokio::spawn(worker.run(async { drop(asked.await) }));
    Running { task, health, stop: Some(stop) }
}

impl Running {
    /// Asks it to stop.
    pub(crate) fn stop(&mut self) {
        let _ = self.stop.take().expect("asked once").send(());
    }

    pub(crate) fn health(&self) -> Health {
        self.health.clone()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    pub(crate) async fn exit(self) -> Exit {
        self.task.await.expect("no panic").expect("no error")
    }

    /// Ends it as SIGKILL would.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.expect_err("aborted").is_cancelled());
    }
}
