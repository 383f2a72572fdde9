//! [`Harness`]: a broker, a clock, a client and a worker for one test.

use std::sync::Arc;
use std::time::Duration;

use naq_client::{Client, JobRef, JobReport};
use naq_core::names::CHORES;
use naq_core::testing::ManualClock;
use naq_core::transport::{JobKey, Place, Stored};
use naq_core::{Clock, Job, QueueName, Timer, Timestamp};
use naq_memory::{JournalEntry, MemoryTransport};
use serde_json::Value;

use super::at_once::at_once;
use super::enqueued::{self, Enqueued};
use super::selection::Selection;
use super::view::{self, JobView};
use crate::{HandlerRuntime, Registry, Worker, WorkerBuilder};

/// What one test needs: a broker in memory, a clock that stands still, a client, and a worker that
/// runs jobs only in [`drain`](Self::drain), [`pass`](Self::pass) and
/// [`run_to_end`](Self::run_to_end). It runs one job at a time, in the order in which they are due.
///
/// Give [`client`](Self::client) to the code under test. The worker runs the jobs of every queue,
/// with the handlers of the registry. NAQ's own jobs, which run schedules and release blocked jobs,
/// follow the same clock.
#[derive(Debug)]
pub struct Harness {
    pub(super) clock: ManualClock,
    pub(super) broker: MemoryTransport,
    pub(super) worker: WorkerBuilder,
    client: Client,
    began: Timestamp,
}

impl Harness {
    /// A harness without jobs. Its clock shows 2026-01-01T00:00:00Z.
    pub fn new<S: Clone + Send + Sync + 'static>(registry: Registry<S>) -> Self {
        Self::on(ManualClock::new(), registry)
    }

    /// [`new`](Self::new) with a clock that shows another time.
    pub fn starting_at<S: Clone + Send + Sync + 'static>(
        now: Timestamp,
        registry: Registry<S>,
    ) -> Self {
        Self::on(ManualClock::at(now), registry)
    }

    fn on<S: Clone + Send + Sync + 'static>(clock: ManualClock, registry: Registry<S>) -> Self {
        let timer: Arc<dyn Timer> = Arc::new(clock.clone());
        let broker = MemoryTransport::with_timer(timer.clone()).with_journal();
        let client = Client::new(Arc::new(broker.clone())).clock(timer.clone());
        let worker = Worker::builder(client.clone(), registry)
            .clock(timer)
            .handler_runtime(HandlerRuntime::Current)
            .name("harness")
            .concurrency(1);
        let began = clock.now();
        Self { clock, broker, worker, client, began }
    }

    /// Changes the settings of the worker: more slots, some queues only. Its clock and the runtime
    /// of its handlers stay.
    #[must_use]
    pub fn worker(mut self, change: impl FnOnce(WorkerBuilder) -> WorkerBuilder) -> Self {
        self.worker = change(self.worker)
            .clock(Arc::new(self.clock.clone()))
            .handler_runtime(HandlerRuntime::Current);
        self
    }

    /// The client for the code under test.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The clock. Moving it runs no job; see [`pass`](Self::pass).
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// The time of the clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How much time has passed since the harness was made.
    pub fn elapsed(&self) -> Duration {
        self.now().since(self.began)
    }

    /// The state of a job, even if its record has expired. Takes a handle, a key, or `queue/id`. An
    /// id alone is in the queue `default`.
    ///
    /// # Panics
    /// When there was no such job.
    #[track_caller]
    pub fn job(&self, job: impl JobRef) -> JobView {
        let named = job.named().unwrap_or_else(|err| panic!("{err}"));
        let key = named.in_queue(&QueueName::default());
        match self.report(&key) {
            Some(report) => JobView::new(report, self.now()),
            None => panic!("there was no job {key}. Enqueued were:\n{}", self.listing()),
        }
    }

    fn report(&self, key: &JobKey) -> Option<JobReport> {
        at_once(self.client.report(key)).ok().or_else(|| {
            let facts = self.broker.journal().into_iter().rev();
            let mut ends = facts.filter_map(|entry| match entry {
                JournalEntry::Settled(at, fact) if fact.key == *key => view::of_fact(&fact, at),
                _ => None,
            });
            ends.next()
        })
    }

    /// All jobs that were enqueued so far, of all types, oldest first. Without NAQ's own jobs.
    pub fn all_enqueued(&self) -> Vec<Enqueued<Value>> {
        let jobs = self.broker.journal().into_iter().filter_map(|entry| match entry {
            JournalEntry::Enqueued(at, job) if job.key.queue.as_str() != CHORES => Some(Stored {
                key: job.key,
                place: Place::Queue,
                seq: 0,
                stored_at: at,
                due_at: job.due_at,
                delivered: false,
                message: job.message,
            }),
            _ => None,
        });
        jobs.filter_map(|stored| enqueued::of_message(&stored)).collect()
    }

    /// The jobs of one type that were enqueued so far, oldest first.
    ///
    /// # Panics
    /// When the arguments of a job of that task are not a `J`.
    #[track_caller]
    pub fn enqueued<J: Job>(&self) -> Vec<Enqueued<J>> {
        let all = self.all_enqueued().into_iter();
        all.filter(|job| job.envelope.task.as_str() == J::NAME).map(Enqueued::typed).collect()
    }

    /// Asserts that a job of this type was enqueued. Narrow the answer down with the methods of
    /// [`Selection`].
    ///
    /// ```
    /// # use naq_core::{Failure, Job};
    /// # use naq_worker::{Context, Registry, testing::Harness};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct SendEmail { to: String }
    /// # impl Job for SendEmail {
    /// #     const NAME: &'static str = "email.send";
    /// #     type Output = ();
    /// # }
    /// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
    /// let harness = Harness::new(Registry::new());
    /// let job = SendEmail { to: "a@example.com".into() };
    /// harness.client().enqueue(job).queue("mail").max_retries(5).await?;
    /// harness
    ///     .assert_enqueued::<SendEmail>()
    ///     .with(|job| job.to == "a@example.com")
    ///     .on_queue("mail")
    ///     .due_now()
    ///     .times(1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// When no job of this type was enqueued. The message lists the jobs that were enqueued.
    #[track_caller]
    pub fn assert_enqueued<J: Job>(&self) -> Selection<J> {
        Selection::new(self.enqueued(), self.listing())
    }

    /// Asserts that no job of this type was enqueued.
    ///
    /// # Panics
    /// When a job of this type was enqueued.
    #[track_caller]
    pub fn assert_not_enqueued<J: Job>(&self) {
        let found = self.enqueued::<J>().len();
        assert!(
            found == 0,
            "{found} jobs of {:?} were enqueued, expected none. Enqueued were:\n{}",
            J::NAME,
            self.listing()
        );
    }

    pub(super) fn listing(&self) -> String {
        enqueued::listing(&self.all_enqueued())
    }
}
