//! [`WorkerBuilder`]: a worker's settings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::flow::RetryBudget;
use naq_core::redact::Redactor;
use naq_core::retry::Strategy;
use naq_core::{Jitter, QueueName, RetryPolicy, SystemClock, Timer, WorkerId};

use crate::heartbeat::Rhythm;
use crate::identity;
use crate::lanes::Sharing;
use crate::large_results::LargeResults;
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
    pub(crate) weights: BTreeMap<QueueName, u32>,
    pub(crate) strict: bool,
    pub(crate) concurrency: usize,
    pub(crate) name: Option<String>,
    pub(crate) id: Option<WorkerId>,
    pub(crate) lease: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) heartbeat: Rhythm,
    pub(crate) unknown_tasks: RetryPolicy,
    pub(crate) large_results: LargeResults,
    pub(crate) handlers: HandlerRuntime,
    pub(crate) handler_threads: Option<usize>,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) chores: bool,
    pub(crate) stats: bool,
    pub(crate) redactor: Redactor,
    pub(crate) retry_budgets: BTreeMap<QueueName, RetryBudget>,
    /// The worker inside a worker, which does the chores: nobody need see it.
    pub(crate) inner: bool,
}

impl WorkerBuilder {
    /// The shortest lease that can be kept, given that a broker's own timers are not exact.
    pub const MIN_LEASE: Duration = Duration::from_millis(100);
    /// The greatest weight of a queue.
    pub const MAX_WEIGHT: u32 = 1000;

    pub(crate) fn new<S: Clone + Send + Sync + 'static>(
        client: Client,
        registry: Registry<S>,
    ) -> Self {
        Self {
            client,
            tasks: registry.into_tasks(),
            queues: Vec::new(),
            weights: BTreeMap::new(),
            strict: false,
            concurrency: 10,
            name: None,
            id: None,
            lease: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(30),
            heartbeat: Rhythm { interval: Duration::from_secs(5), ttl: Duration::from_secs(15) },
            unknown_tasks: unknown_tasks(),
            large_results: LargeResults::default(),
            handlers: HandlerRuntime::default(),
            handler_threads: None,
            timer: Arc::new(SystemClock),
            chores: true,
            stats: true,
            redactor: Redactor::default(),
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

    /// Adds a queue with a weight, from 1 to [`MAX_WEIGHT`](Self::MAX_WEIGHT): while all of them have
    /// jobs, slots are given to queues in the proportion of their weights, and the part of one that
    /// has none goes to the others. One that is added without a weight has 1.
    ///
    /// ```no_run
    /// # use naq_client::Client;
    /// # use naq_worker::{Registry, Worker};
    /// # fn f(client: Client, registry: Registry) {
    /// Worker::builder(client, registry)
    ///     .queue_weighted("critical", 6)
    ///     .queue_weighted("default", 3)
    ///     .queue_weighted("low", 1)
    ///     .build();
    /// # }
    /// ```
    ///
    /// # Panics
    /// When it is no queue name, or the weight is out of range.
    pub fn queue_weighted(self, queue: impl AsRef<str>, weight: u32) -> Self {
        assert!(
            (1..=Self::MAX_WEIGHT).contains(&weight),
            "weight {weight}: use 1 to {}",
            Self::MAX_WEIGHT
        );
        let mut builder = self.queue(&queue);
        let at = builder.queues.iter().position(|name| name.as_str() == queue.as_ref());
        if let Some(name) = at.map(|at| builder.queues[at].clone()) {
            builder.weights.insert(name, weight);
        }
        builder
    }

    /// Slots go to the first queue that has a job, in the order in which the queues were added: a
    /// later one gets a slot only while those before it have nothing. Weights do not count then, and
    /// a queue may starve. By default no queue comes before another.
    pub fn strict_priority(mut self) -> Self {
        self.strict = true;
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

    /// What becomes of a result that is larger than the broker takes in one message (1 MB unless it
    /// is set up otherwise): by default the job dies with an error that says so.
    pub fn large_results(mut self, large: LargeResults) -> Self {
        self.large_results = large;
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

    /// What is taken out of the messages of errors before they are stored, logged and counted: by
    /// default the values of keys that are called like a secret, such as `password` or `api_key`,
    /// and what looks like one by itself. Arguments and results are stored as they are; whoever shows
    /// them redacts them then.
    pub fn redact(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Whether it tells what becomes of its attempts, which dashboards, `naq top` and `naq check`
    /// show; it does by default. That is one message a second while it works, whatever the number of
    /// jobs, and none while it does not.
    pub fn stats(mut self, tells: bool) -> Self {
        self.stats = tells;
        self
    }

    /// The clock; the machine's by default. For tests.
    pub fn clock(mut self, timer: Arc<dyn Timer>) -> Self {
        self.client = self.client.clock(timer.clone());
        self.timer = timer;
        self
    }

    /// How the queues share the slots, and their weights in their order.
    pub(crate) fn sharing(&self) -> (Sharing, Vec<u32>) {
        let weight = |queue| self.weights.get(queue).copied().unwrap_or(1);
        let sharing = match self.queues.len() {
            0 | 1 => Sharing::FirstCome,
            _ if self.strict => Sharing::Strict,
            _ if self.weights.is_empty() => Sharing::FirstCome,
            _ => Sharing::Weighted,
        };
        (sharing, self.queues.iter().map(weight).collect())
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
