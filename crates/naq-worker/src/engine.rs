//! [`Engine`]: what the parts of a running worker share.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use naq_core::retry::RetryPolicy;
use naq_core::transport::{Subscription, Transport, TransportError};
use naq_core::{QueueName, TaskName, Timer, Timestamp};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::conclude::{Conclusion, Judge, Judged};
use crate::events::Event;
use crate::execute::{self, Outcome, Stage};
use crate::health::Health;
use crate::heartbeat::Rhythm;
use crate::held::{Held, HeldJobs};
use crate::large_results::LargeResults;
use crate::metrics::Meters;
use crate::outage::Outage;
use crate::ready::Ready;
use crate::settle::Settlement;
use crate::stats::Stats;
use crate::{hooks, suspects};

/// Known tasks that an error names before it says "and more".
const NAMED_TASKS: usize = 8;

#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) stage: Stage,
    pub(crate) queues: Vec<Arc<Queue>>,
    pub(crate) concurrency: usize,
    /// The one inside another, which does the chores and need not be seen.
    pub(crate) inner: bool,
    pub(crate) lease: Duration,
    pub(crate) heartbeat: Rhythm,
    pub(crate) unknown_tasks: RetryPolicy,
    pub(crate) large_results: LargeResults,
    pub(crate) ready: Ready,
    pub(crate) counts: Counts,
    pub(crate) health: Health,
    /// None inside another.
    pub(crate) meters: Option<Meters>,
    /// None when it was asked not to tell, and inside another.
    pub(crate) stats: Option<Arc<Stats>>,
    pub(crate) settling: Link,
    /// Set when an operator asks it to stop.
    pub(crate) drained: CancellationToken,
    /// Set when the worker is asked to stop.
    pub(crate) stopping: CancellationToken,
    pub(crate) settlements: mpsc::UnboundedSender<Settlement>,
}

/// One queue, and what is held of it.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Which of the worker's queues it is, from 0.
    pub(crate) index: usize,
    pub(crate) name: QueueName,
    pub(crate) held: HeldJobs,
    lease_ms: AtomicU64,
    lease_changed: Notify,
    limited: AtomicBool,
}

/// Attempts so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    finished: AtomicU64,
    failed: AtomicU64,
}

/// The way to the broker, as many settlements at once see it: they share one outage.
#[derive(Debug)]
pub(crate) struct Link(Mutex<Outage>);

impl Queue {
    pub(crate) fn new(index: usize, name: QueueName, lease: Duration) -> Self {
        let queue = Self {
            index,
            name,
            held: HeldJobs::default(),
            lease_ms: AtomicU64::new(0),
            lease_changed: Notify::new(),
            limited: AtomicBool::new(false),
        };
        queue.set_lease(lease);
        queue
    }

    /// The lease in force.
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms.load(Ordering::Relaxed))
    }

    fn set_lease(&self, lease: Duration) {
        let millis = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        if self.lease_ms.swap(millis, Ordering::Relaxed) != millis {
            self.lease_changed.notify_one();
        }
    }

    /// Takes over what may have been changed at the broker.
    pub(crate) fn set_terms(&self, subscription: &dyn Subscription) {
        self.set_lease(subscription.lease());
        self.limited.store(subscription.limit().is_some(), Ordering::Relaxed);
    }

    /// Whether what is held here and does not run may keep other workers from running it.
    pub(crate) fn is_limited(&self) -> bool {
        self.limited.load(Ordering::Relaxed)
    }

    /// Waits until the lease in force is another one.
    pub(crate) async fn lease_changed(&self) {
        self.lease_changed.notified().await;
    }
}

impl Counts {
    fn add(&self, outcome: &Outcome) {
        let (finished, failed) = outcome.tally();
        self.finished.fetch_add(finished.into(), Ordering::Relaxed);
        self.failed.fetch_add(failed.into(), Ordering::Relaxed);
    }

    pub(crate) fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

impl Link {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Outage::of("settling jobs")))
    }

    pub(crate) fn ok(&self, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).over(now);
    }

    pub(crate) fn failed(&self, err: &TransportError, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failed(err, now);
    }
}

/// A slot in use: free again whatever becomes of the one who uses it.
struct Slot<'a>(&'a Engine);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.ready.done();
        self.0.meters.iter().for_each(Meters::slot_free);
    }
}

impl Engine {
    pub(crate) fn now(&self) -> Timestamp {
        self.timer.now()
    }

    pub(crate) async fn sleep(&self, wait: Duration) {
        self.timer.sleep_until(self.now() + wait).await;
    }

    /// One slot: takes jobs and runs them until there will be no more.
    pub(crate) async fn slot(self: Arc<Self>) {
        while let Some(held) = self.ready.next().await {
            self.meters.iter().for_each(Meters::slot_taken);
            let _slot = Slot(&self);
            if held.is_suspect_again(self.now()) && !self.may_still_run(&held).await {
                continue;
            }
            let attempt = AssertUnwindSafe(execute::execute(&self.stage, &held)).catch_unwind();
            // Whatever has panicked outside the handler's guard: let go, it comes back as a crash.
            let outcome = attempt.await.unwrap_or(Outcome::LeaseLost);
            self.counts.add(&outcome);
            if held.claim() {
                let stored = &held.delivery.stored;
                let job = outcome.job().filter(|job| self.stage.gates.guard(job));
                let job = job.cloned().map(Box::new);
                let recovered = self.stage.tasks.tell_hooks().then(|| Event::of_outcome(&outcome));
                let seen = self.sight(&held, &outcome);
                let Judged { conclusion, verdict } =
                    self.judge(|judge| judge.conclude(stored, outcome));
                held.trace.end(&verdict);
                let seen = seen.map(|seen| seen.judged(verdict));
                if let Some(recovered) = recovered {
                    self.tell_hooks(&held, recovered, &conclusion).await;
                }
                if let Some(queue) = self.queue_of(&held) {
                    self.send(Settlement { queue, held, conclusion, job, seen });
                }
            }
        }
    }

    async fn tell_hooks(&self, held: &Held, event: Option<Event>, conclusion: &Conclusion) {
        let fact = match conclusion {
            Conclusion::Write(fact) => Some(fact),
            Conclusion::Die(death) => Some(death.letter()),
            _ => None,
        };
        let stored = &held.delivery.stored;
        let Some(event) = event.or_else(|| Event::of_fact(stored, fact?)) else { return };
        let told = self.stage.tasks.hooks(&event.job().task);
        hooks::tell(&told, &event, held, &*self.timer).await;
    }

    /// Checks a suspect that has waited for its slot; settles it if it went on meanwhile.
    async fn may_still_run(&self, held: &Arc<Held>) -> bool {
        let Some(queue) = self.queue_of(held) else { return false };
        let mut outage = Outage::of("the check of a job that waited");
        !suspects::innocent(self, &queue, vec![held.clone()], &mut outage).await.is_empty()
    }

    pub(crate) fn queue_of(&self, held: &Held) -> Option<Arc<Queue>> {
        let name = &held.delivery.stored.key.queue;
        self.queues.iter().find(|q| q.name == *name).cloned()
    }

    pub(crate) fn judge(&self, conclude: impl FnOnce(&Judge<'_>) -> Judged) -> Judged {
        conclude(&Judge {
            worker: &self.stage.worker,
            unknown_tasks: &self.unknown_tasks,
            known: &|| self.known_tasks(),
            redactor: &self.stage.redactor,
            now: self.now(),
        })
    }

    fn known_tasks(&self) -> String {
        let names: Vec<_> = self.stage.tasks.names().map(TaskName::as_str).collect();
        match names.len() {
            0 => "none".to_owned(),
            n if n <= NAMED_TASKS => names.join(", "),
            n => format!("{} and {} more", names[..NAMED_TASKS].join(", "), n - NAMED_TASKS),
        }
    }

    /// Sends a delivery to be settled, unless somebody else claimed it first.
    pub(crate) fn settle(&self, queue: &Arc<Queue>, held: Arc<Held>, conclusion: Conclusion) {
        if held.claim() {
            self.settle_claimed(queue, held, conclusion);
        }
    }

    /// The same with a delivery of a job that had ended before; its gates may not have heard of it.
    pub(crate) fn settle_ended(&self, queue: &Arc<Queue>, held: Arc<Held>, conclusion: Conclusion) {
        if held.claim() {
            let job =
                execute::decode(&held.delivery).ok().filter(|job| self.stage.gates.guard(job));
            let (queue, job) = (queue.clone(), job.map(Box::new));
            self.send(Settlement { queue, held, conclusion, job, seen: None });
        }
    }

    pub(crate) fn settle_claimed(
        &self,
        queue: &Arc<Queue>,
        held: Arc<Held>,
        conclusion: Conclusion,
    ) {
        // What never began is nothing to count.
        let seen = self.sight_cut_off(&held);
        self.send(Settlement { queue: queue.clone(), held, conclusion, job: None, seen });
    }

    fn send(&self, settlement: Settlement) {
        // An error means that the worker has ended: the lease will.
        let _ = self.settlements.send(settlement);
    }
}
