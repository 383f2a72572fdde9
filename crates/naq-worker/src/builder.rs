//! [`WorkerBuilder`]: a worker's settings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use naq_core::flow::RetryBudget;
use naq_core::retry::Strategy;
use naq_core::{Client, Jitter, QueueName, RetryPolicy, SystemClock, Timer, WorkerId};

use crate::heartbeat::Rhythm;
use crate::identity;
use crate::registry::Registry;
use crate::runtime::HandlerRuntime;
use crate::tasks::Tasks;
use crate::worker::Worker;

/// Settings of a [`Worker`], all with defaults.
#[must_use = "nothing runs until the worker is built and run"]
#[derive(Debug, Clone)]
pub struct WorkerBuilder {
    pub(crate) client: Client,
    pub(crate) tasks: Tasks,
    pub(crate) queues: Vec<QueueName>,
    pub(crate) concurrency: usize,
    pub(crate) name: Option<String>,
    pub(crate) id: Option<WorkerId>,
    pub(crate) lease: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) heartbeat: Rhythm,
    pub(crate) unknown_tasks: RetryPolicy,
    pub(crate) handlers: HandlerRuntime,
    pub(crate) handler_threads: Option<usize>,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) chores: bool,
    pub(crate) retry_budgets: BTreeMap<QueueName, RetryBudget>,
    /// The worker inside a worker, which does the chores: nobody need see it.
    pub(crate) inner: bool,
}

impl WorkerBuilder {
    /// The shortest lease that can be kept, given that a broker's own timers are not exact.
    pub const MIN_LEASE: Duration = Duration::from_millis(100);

    pub(crate) fn new<S: Clone + Send + Sync + 'static>(
        client: Client,
        registry: Registry<S>,
    ) -> Self {
        Self {
            client,
            tasks: registry.into_tasks(),
            queues: Vec::new(),
            concurrency: 10,
            name: None,
            id: None,
            lease: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(30),
            heartbeat: Rhythm { interval: Duration::from_secs(5), ttl: Duration::from_secs(15) },
            unknown_tasks: unknown_tasks(),
            handlers: HandlerRuntime::default(),
            handler_threads: None,
            timer: Arc::new(SystemClock),
            chores: true,
            retry_budgets: BTreeMap::new(),
            inner: false,
        }
    }

    /// Adds a queue to take jobs from; only `default` when none is added. Queues share the slots
    /// first come, first served.
    ///
    /// # Panics
    /// When it is no queue name.
    pub fn queue(mut self, queue: impl AsRef<str>) -> Self {
        let queue = QueueName::new(queue).unwrap_or_else(|err| panic!("{err}"));
        if !self.queues.contains(&queue) {
            self.queues.push(queue);
        }
        self
    }

    /// Adds several queues.
    ///
    /// # Panics
    /// When one is no queue name.
    pub fn queues<Q: AsRef<str>>(self, queues: impl IntoIterator<Item = Q>) -> Self {
        queues.into_iter().fold(self, Self::queue)
    }

    /// Slots: how many jobs run at once; 10 by default.
    ///
    /// # Panics
    /// When it is zero.
    pub fn concurrency(mut self, slots: usize) -> Self {
        assert!(slots > 0, "concurrency is zero: a worker needs at least one slot");
        self.concurrency = slots;
        self
    }

    /// The readable part of the worker's id; the machine's name by default. Process and a random
    /// part are added, so that two workers of one name differ.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The worker's whole id, which must be unique among those alive.
    pub fn id(mut self, id: WorkerId) -> Self {
        self.id = Some(id);
        self
    }

    /// How long the broker waits for a sign of life before it hands a job to another worker; 10 s
    /// by default. It is renewed every third of that. A queue that exists keeps the lease it has.
    ///
    /// # Panics
    /// When it is shorter than [`MIN_LEASE`](Self::MIN_LEASE).
    pub fn lease(mut self, lease: Duration) -> Self {
        assert!(lease >= Self::MIN_LEASE, "lease {lease:?}: use at least {:?}", Self::MIN_LEASE);
        self.lease = lease;
        self
    }

    /// How long running jobs may go on once the worker is asked to stop; 30 s by default. Then they
    /// are told to stop, and after a second more given back to their queue: neither an attempt nor
    /// a crash is counted.
    pub fn shutdown_timeout(mut self, grace: Duration) -> Self {
        self.shutdown_timeout = grace;
        self
    }

    /// How often the worker renews its entry in the directory, and how long the entry outlives it;
    /// 5 s and 15 s by default.
    ///
    /// # Panics
    /// When `interval` is zero or `ttl` is not longer.
    pub fn heartbeat(mut self, interval: Duration, ttl: Duration) -> Self {
        assert!(!interval.is_zero() && ttl > interval, "heartbeat {interval:?}, ttl {ttl:?}");
        self.heartbeat = Rhythm { interval, ttl };
        self
    }

    /// How long a job whose task nobody here knows is kept: another version of the worker may know
    /// it. Its retries and delays are looks for a handler; they cost the job no attempt. By default
    /// 10 looks with growing delays, about 50 minutes in all; then the job is dead.
    pub fn unknown_tasks(mut self, looks: RetryPolicy) -> Self {
        self.unknown_tasks = looks;
        self
    }

    /// Where handlers run; on threads of their own by default.
    pub fn handler_runtime(mut self, handlers: HandlerRuntime) -> Self {
        self.handlers = handlers;
        self
    }

    /// The threads of [`HandlerRuntime::Own`]; one a core by default.
    ///
    /// # Panics
    /// When it is zero.
    pub fn handler_threads(mut self, threads: usize) -> Self {
        assert!(threads > 0, "handlers need at least one thread");
        self.handler_threads = Some(threads);
        self
    }

    /// Bounds how many retries of a queue's jobs start, over all workers; those beyond it wait. No
    /// bound by default. Every worker of the queue should be given the same.
    ///
    /// # Panics
    /// When it is no queue name.
    pub fn retry_budget(mut self, queue: impl AsRef<str>, budget: RetryBudget) -> Self {
        let queue = QueueName::new(queue).unwrap_or_else(|err| panic!("{err}"));
        self.retry_budgets.insert(queue, budget);
        self
    }

    /// Whether it takes part in NAQ's own jobs, which turn schedules and let blocked jobs go; it
    /// does by default. Somebody has to: where no worker does, they wait.
    pub fn chores(mut self, does: bool) -> Self {
        self.chores = does;
        self
    }

    /// The clock; the machine's by default. For tests.
    pub fn clock(mut self, timer: Arc<dyn Timer>) -> Self {
        self.client = self.client.clock(timer.clone());
        self.timer = timer;
        self
    }

    /// The worker.
    pub fn build(mut self) -> Worker {
        if self.queues.is_empty() {
            self.queues.push(QueueName::default());
        }
        let name = self.name.take().unwrap_or_else(identity::hostname);
        let id = self.id.take().unwrap_or_else(|| identity::worker_id(&name));
        Worker::new(self, id)
    }
}

/// 5 s, 10 s, 20 s, ... up to 15 min: about 50 min in all, long enough for a rolling deploy.
fn unknown_tasks() -> RetryPolicy {
    RetryPolicy::builder()
        .max_retries(10)
        .delay(Duration::from_secs(5))
        .strategy(Strategy::Exponential)
        .max_delay(Duration::from_secs(15 * 60))
        .jitter(Jitter::Factor(0.2))
        .build()
}
