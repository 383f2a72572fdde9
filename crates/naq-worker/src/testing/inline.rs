//! [`run`]: one attempt of one job.

use std::future::IntoFuture;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use naq_client::Enqueue;
use naq_core::transport::{JobKey, Lookup, Operator, Producer, Submission};
use naq_core::{Clock, Job, RetryPolicy};
use naq_memory::JournalEntry;
use tokio::time::timeout;

use super::Harness;
use super::at_once::at_once;
use super::view::{self, JobView};
use crate::Registry;
use crate::handler::Handler;

/// A handler that takes longer than this in real time counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// Runs one attempt of a job with the handler of its type: the first, unless
/// [`attempt`](Run::attempt) sets another. `.await` it. The answer is the job after that attempt:
/// completed, dead, or waiting for its retry.
///
/// See [the module](super) for an example.
///
/// # Panics
/// When awaited: if the job cannot be enqueued, or the handler takes more than 10 s of real time.
pub fn run<S, J>(registry: &Registry<S>, job: J) -> Run<J>
where
    S: Clone + Send + Sync + 'static,
    J: Job,
{
    Run { harness: Harness::new(registry.clone()), job, attempt: 1, change: Vec::new() }
}

/// One attempt that is about to run.
#[must_use = "nothing runs until this is awaited"]
pub struct Run<J: Job> {
    harness: Harness,
    job: J,
    attempt: u32,
    change: Vec<EnvelopeEdit<J::Output>>,
}

type EnvelopeEdit<O> = Box<dyn for<'a> FnOnce(Enqueue<'a, O>) -> Enqueue<'a, O> + Send>;

impl<J: Job> Run<J> {
    /// Sets the attempt, from 1. The job has no history: the handler sees no earlier error.
    ///
    /// # Panics
    /// When it is zero.
    pub fn attempt(mut self, attempt: u32) -> Self {
        assert!(attempt > 0, "attempts count from 1");
        self.attempt = attempt;
        self
    }

    /// Sets another retry policy than that of the job's type.
    pub fn policy(self, policy: RetryPolicy) -> Self {
        self.with(move |enqueue| enqueue.policy(&policy))
    }

    /// Sets other options than those of the job's type.
    pub fn with(
        mut self,
        change: impl for<'a> FnOnce(Enqueue<'a, J::Output>) -> Enqueue<'a, J::Output> + Send + 'static,
    ) -> Self {
        self.change.push(Box::new(change));
        self
    }

    async fn run(self) -> JobView {
        let Self { mut harness, job, attempt, change } = self;
        let tasks = harness.worker.settings.tasks.wrapped(once);
        harness.worker.settings.tasks = tasks;
        let enqueue = change
            .into_iter()
            .fold(harness.client().enqueue(job), |enqueue, change| change(enqueue));
        let handle = enqueue.await.unwrap_or_else(|err| panic!("not enqueued: {err}"));
        let key = JobKey::new(handle.queue().clone(), handle.id().clone());
        if attempt > 1 || harness.job(&key).report().due_at.is_some() {
            move_on(&harness, &key, attempt).await;
        }
        harness.work_once(&key).await
    }
}

/// Replaces the job by itself at another attempt, due now.
async fn move_on(harness: &Harness, key: &JobKey, attempt: u32) {
    let view = harness.job(key);
    let stored = &view.report().stored;
    let Ok(mut job) = stored.envelope() else { panic!("job {key} cannot be read") };
    job.attempt = attempt;
    job.due_at = None;
    job.first_started_at = (attempt > 1).then(|| harness.now());
    let message = job.to_message().unwrap_or_else(|err| panic!("job {key}: {err}"));
    let dedup = format!("{key}/{attempt}");
    let again = Submission { key: key.clone(), due_at: None, dedup, unique: false, message };
    let moved = async {
        harness.broker.remove(stored).await?;
        harness.broker.publish(again).await
    };
    moved.await.unwrap_or_else(|err| panic!("job {key}: {err}"));
}

/// Lets the handler run once: a retry that is due at once must not run.
fn once(handler: Handler) -> Handler {
    let ran = Arc::new(AtomicBool::new(false));
    Arc::new(move |cx| {
        if ran.swap(true, Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        handler(cx)
    })
}

impl Harness {
    /// Runs the worker until the first attempt of this job is settled, and ends it at once.
    async fn work_once(&self, key: &JobKey) -> JobView {
        let worker = self.worker.clone().queue(&key.queue).chores(false).build();
        let mut running = pin!(worker.run(std::future::pending()));
        let settled = self.broker.until(|| self.first_fact(key).is_some() || self.is_gone(key));
        tokio::select! {
            ended = &mut running => panic!("the worker ended by itself: {ended:?}"),
            settled = timeout(STUCK_AFTER, settled) => if settled.is_err() {
                panic!(
                    "the handler has been running for {} of real time",
                    naq_core::retry::BriefDuration(STUCK_AFTER)
                );
            }
        }
        match self.first_fact(key) {
            Some(view) => view,
            None => panic!("job {key} left no record: its record_ttl is zero"),
        }
    }

    fn first_fact(&self, key: &JobKey) -> Option<JobView> {
        let entries = self.broker.journal().into_iter();
        let mut facts = entries.filter_map(|entry| match entry {
            JournalEntry::Settled(at, fact) if fact.key == *key => view::of_fact(&fact, at),
            _ => None,
        });
        facts.next().map(|report| JobView::new(report, self.clock.now()))
    }

    fn is_gone(&self, key: &JobKey) -> bool {
        at_once(self.broker.locate(key)).is_ok_and(|stored| stored.is_empty())
    }
}

impl<J: Job> IntoFuture for Run<J> {
    type Output = JobView;
    type IntoFuture = Pin<Box<dyn Future<Output = JobView> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<J: Job> std::fmt::Debug for Run<J> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("task", &J::NAME).field("attempt", &self.attempt).finish()
    }
}
