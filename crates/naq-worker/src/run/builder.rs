//! [`WorkerBuilder`]: sets a worker up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::flow::RetryBudget;
use naq_core::redact::Redactor;
use naq_core::retry::Strategy;
use naq_core::transport::BrokerClock;
use naq_core::{Jitter, QueueName, RetryPolicy, SystemClock, Timer, WorkerId};

use super::handler_runtime::HandlerRuntime;
use super::settings::Settings;
use super::worker::Worker;
use crate::decide::LargeResults;
use crate::engine::{HeartbeatTimes, WorkerRole};
use crate::handler::Registry;

/// Sets a [`Worker`] up. Every setting has a default.
#[must_use = "nothing runs until the worker is built and run"]
#[derive(Debug, Clone)]
pub struct WorkerBuilder {
    pub(crate) settings: Settings,
}

impl Worker {
    /// Starts to set up a worker. It uses the client's connection. Handlers find the client in
    /// their context.
    pub fn builder<S: Clone + Send + Sync + 'static>(
        client: Client,
        registry: Registry<S>,
    ) -> WorkerBuilder {
        WorkerBuilder::new(client, registry)
    }
}

impl WorkerBuilder {
    /// The shortest lease that a worker can keep: the timers of a broker are not exact.
    pub const MIN_LEASE: Duration = Duration::from_millis(100);
    /// The greatest weight of a queue.
    pub const MAX_WEIGHT: u32 = 1000;

    fn new<S: Clone + Send + Sync + 'static>(client: Client, registry: Registry<S>) -> Self {
        let settings = Settings {
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
            role: WorkerRole::Main(HeartbeatTimes {
                interval: Duration::from_secs(5),
                ttl: Duration::from_secs(15),
            }),
            unknown_tasks: unknown_tasks(),
            large_results: LargeResults::default(),
            handlers: HandlerRuntime::default(),
            handler_threads: None,
            timer: Arc::new(SystemClock),
            chores: true,
            only_chores: false,
            stats: true,
            redactor: Redactor::default(),
            signed_queues: BTreeSet::new(),
            retry_budgets: BTreeMap::new(),
        };
        Self { settings }
    }

    /// Adds a queue to take jobs from. A worker without any queue takes jobs from `default`. Queues
    /// share the slots: first come, first served.
    ///
    /// # Panics
    /// When it is not a valid queue name.
    pub fn queue(mut self, queue: impl AsRef<str>) -> Self {
        let queue = QueueName::new(queue).unwrap_or_else(|err| panic!("{err}"));
        if !self.settings.queues.contains(&queue) {
            self.settings.queues.push(queue);
        }
        self
    }

    /// Adds a queue with a weight, from 1 to [`MAX_WEIGHT`](Self::MAX_WEIGHT). While all queues
    /// have jobs, they get slots in proportion to their weights. The part of an empty queue goes to
    /// the others. A queue that is added without a weight has weight 1.
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
    /// When it is not a valid queue name, or the weight is out of range.
    pub fn queue_weighted(self, queue: impl AsRef<str>, weight: u32) -> Self {
        assert!(
            (1..=Self::MAX_WEIGHT).contains(&weight),
            "weight {weight}: use 1 to {}",
            Self::MAX_WEIGHT
        );
        let mut builder = self.queue(&queue);
        let at = builder.settings.queues.iter().position(|name| name.as_str() == queue.as_ref());
        if let Some(name) = at.map(|at| builder.settings.queues[at].clone()) {
            builder.settings.weights.insert(name, weight);
        }
        builder
    }

    /// Gives slots to the first queue that has a job, in the order in which the queues were added.
    /// A later queue gets a slot only while the queues before it are empty, so it may starve.
    /// Weights have no effect then. Off by default.
    pub fn strict_priority(mut self) -> Self {
        self.settings.strict = true;
        self
    }

    /// Adds several queues.
    ///
    /// # Panics
    /// When one is not a valid queue name.
    pub fn queues<Q: AsRef<str>>(self, queues: impl IntoIterator<Item = Q>) -> Self {
        queues.into_iter().fold(self, Self::queue)
    }

    /// Sets the number of slots: how many jobs run at once. 10 by default.
    ///
    /// # Panics
    /// When it is zero.
    pub fn concurrency(mut self, slots: usize) -> Self {
        assert!(slots > 0, "concurrency is zero: a worker needs at least one slot");
        self.settings.concurrency = slots;
        self
    }

    /// Sets the readable part of the worker's id: the machine's name by default. The process id and
    /// a random part are added, so that two workers of the same name differ.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// Sets the worker's whole id. It must be unique among the workers that run.
    pub fn id(mut self, id: WorkerId) -> Self {
        self.settings.id = Some(id);
        self
    }

    /// Sets how long the broker waits for a renewal before it gives a job to another worker: 10 s
    /// by default. The worker renews three times as often. A queue that exists keeps its lease.
    ///
    /// # Panics
    /// When it is shorter than [`MIN_LEASE`](Self::MIN_LEASE).
    pub fn lease(mut self, lease: Duration) -> Self {
        assert!(lease >= Self::MIN_LEASE, "lease {lease:?}: use at least {:?}", Self::MIN_LEASE);
        self.settings.lease = lease;
        self
    }

    /// Sets the grace period: how long running jobs may go on after the worker was asked to stop.
    /// 30 s by default. Then they are asked to stop, and a second later they are given back to
    /// their queue. Neither an attempt nor a crash is counted.
    pub fn shutdown_timeout(mut self, grace: Duration) -> Self {
        self.settings.shutdown_timeout = grace;
        self
    }

    /// Sets how often the worker renews its entry in the directory, and how long the entry stays
    /// without a renewal. 5 s and 15 s by default.
    ///
    /// # Panics
    /// When `interval` is zero or `ttl` is not longer.
    pub fn heartbeat(mut self, interval: Duration, ttl: Duration) -> Self {
        assert!(!interval.is_zero() && ttl > interval, "heartbeat {interval:?}, ttl {ttl:?}");
        self.settings.role = WorkerRole::Main(HeartbeatTimes { interval, ttl });
        self
    }

    /// Sets how long a job of an unknown task waits for a handler: another version of the worker
    /// may have it. The policy's retries and delays say how often and when a worker checks again;
    /// no attempt is counted. By default 10 checks with growing delays, about 50 minutes in all.
    /// Then the job is dead.
    pub fn unknown_tasks(mut self, checks: RetryPolicy) -> Self {
        self.settings.unknown_tasks = checks;
        self
    }

    /// Sets what happens to a result that is larger than the broker takes in one message (1 MB by
    /// default). By default the job is dead, with an error that says so.
    pub fn large_results(mut self, large: LargeResults) -> Self {
        self.settings.large_results = large;
        self
    }

    /// Sets where handlers run: on threads of their own by default.
    pub fn handler_runtime(mut self, handlers: HandlerRuntime) -> Self {
        self.settings.handlers = handlers;
        self
    }

    /// Sets the number of threads of [`HandlerRuntime::Own`]: one for each core by default.
    ///
    /// # Panics
    /// When it is zero.
    pub fn handler_threads(mut self, threads: usize) -> Self {
        assert!(threads > 0, "handlers need at least one thread");
        self.settings.handler_threads = Some(threads);
        self
    }

    /// Limits how many retries of a queue's jobs start, over all workers. The others wait. No limit
    /// by default. Give every worker of the queue the same budget.
    ///
    /// # Panics
    /// When it is not a valid queue name.
    pub fn retry_budget(mut self, queue: impl AsRef<str>, budget: RetryBudget) -> Self {
        let queue = QueueName::new(queue).unwrap_or_else(|err| panic!("{err}"));
        self.settings.retry_budgets.insert(queue, budget);
        self
    }

    /// Takes only signed jobs from this queue. A job that is not signed by one of the client's
    /// [`trusted_keys`](Client::trusted_keys), or that was changed after it was signed, becomes a dead
    /// letter of kind `SignatureError`; its handler never runs. By default jobs need no signature.
    /// Set it on every worker of the queue: another worker would run such a job.
    ///
    /// ```no_run
    /// # use naq_client::Client;
    /// # use naq_worker::{Registry, Worker};
    /// # fn f(client: Client, registry: Registry) -> Result<(), Box<dyn std::error::Error>> {
    /// let keys = std::fs::read_to_string("trusted-keys")?.parse()?;
    /// Worker::builder(client.trusted_keys(keys), registry).queue("billing").require_signed("billing").build();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// When it is not a valid queue name.
    pub fn require_signed(mut self, queue: impl AsRef<str>) -> Self {
        let queue = QueueName::new(queue).unwrap_or_else(|err| panic!("{err}"));
        self.settings.signed_queues.insert(queue);
        self
    }

    /// Sets whether the worker also runs NAQ's own jobs, which run schedules and release blocked
    /// jobs. On by default. If it is off for all workers, schedules and blocked jobs wait.
    pub fn chores(mut self, enabled: bool) -> Self {
        self.settings.chores = enabled;
        self
    }

    /// Makes a worker that takes no jobs of users, and only runs [chores](Self::chores). Its broker user may
    /// then have rights that no process with code of users should have (docs/operating.md). The queues and
    /// tasks of this builder do not count.
    pub fn only_chores(mut self) -> Self {
        self.settings.only_chores = true;
        self.chores(true)
    }

    /// Sets what is removed from error messages before they are stored, logged and counted. By
    /// default the values of keys that are named like a secret, such as `password` or `api_key`,
    /// and text that looks like a secret. Arguments and results are stored as they are, and
    /// redacted when they are shown.
    pub fn redact(mut self, redactor: Redactor) -> Self {
        self.settings.redactor = redactor;
        self
    }

    /// Sets whether the worker writes statistics of its attempts, for dashboards and alerts. On by
    /// default. It writes one message a second while jobs run, for any number of jobs, and none
    /// while idle.
    pub fn stats(mut self, enabled: bool) -> Self {
        self.settings.stats = enabled;
        self
    }

    /// Sets the clock of this process: the machine's by default. For tests. The worker asks it how
    /// much time has passed; what time it is, the broker says.
    pub fn clock(mut self, timer: Arc<dyn Timer>) -> Self {
        self.settings.client = self.settings.client.clock(timer.clone());
        self.settings.timer = timer;
        self
    }

    /// Builds the worker.
    pub fn build(mut self) -> Worker {
        if self.settings.only_chores {
            self.settings.queues.clear();
        } else if self.settings.queues.is_empty() {
            self.settings.queues.push(QueueName::default());
        }
        // Every decision of the worker goes by the broker's clock.
        let broker = self.settings.client.transport().clone();
        self.settings.timer = Arc::new(BrokerClock::new(broker, self.settings.timer));
        let id = self.settings.worker_id();
        Worker::new(self.settings, id)
    }
}

/// 5 s, 10 s, 20 s, ... up to 15 min: about 50 min in all, long enough for a rolling deployment.
fn unknown_tasks() -> RetryPolicy {
    RetryPolicy::builder()
        .max_retries(10)
        .delay(Duration::from_secs(5))
        .strategy(Strategy::Exponential)
        .max_delay(Duration::from_secs(15 * 60))
        .jitter(Jitter::Factor(0.2))
        .build()
}
