//! Lets the worker run jobs, and lets time pass.

use std::pin::pin;
use std::time::Duration;

use naq_core::names::CHORES;
use naq_core::transport::{Lookup, QueueInfo};
use naq_core::{Clock, QueueName, Timestamp};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::at_once::at_once;
use super::harness::Harness;

/// A handler that takes longer than this in real time counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(10);
/// If more attempts than this run at one moment, new jobs become due without end.
const MAX_AT_ONCE: usize = 100_000;
/// How far `run_to_end` moves the clock.
const HORIZON: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Harness {
    /// Runs all jobs that are due now, including jobs that these enqueue, and retries without a
    /// delay. The clock stands still.
    ///
    /// # Panics
    /// When a handler takes more than 10 s of real time, or new jobs keep becoming due.
    pub async fn drain(&self) {
        while let Some(queues) = self.busy() {
            self.work(queues).await;
        }
    }

    /// Lets this much time pass, from one due time to the next, and runs the jobs that are due at
    /// each.
    ///
    /// # Panics
    /// As [`drain`](Self::drain).
    pub async fn pass(&self, span: Duration) {
        let end = self.now() + span;
        self.drain().await;
        while let Some(next) = self.next_due_time().filter(|next| *next < end) {
            self.clock.advance_to(next).await;
            self.drain().await;
        }
        self.clock.advance_to(end).await;
        self.drain().await;
    }

    /// Lets time pass until no job waits any more. Weeks of retries take milliseconds. A recurring
    /// schedule never ends: use [`pass`](Self::pass) for it.
    ///
    /// # Panics
    /// When jobs still wait after a year. As [`drain`](Self::drain).
    pub async fn run_to_end(&self) {
        let began = self.now();
        self.drain().await;
        while let Some(next) = self.next_due_time().filter(|_| self.has_waiting_jobs()) {
            assert!(
                next.since(began) < HORIZON,
                "after a year there are still jobs that wait; let some time `pass` instead. \
                 Enqueued were:\n{}",
                self.listing()
            );
            self.clock.advance_to(next).await;
            self.drain().await;
        }
    }

    /// The next time at which a job is due, or the pause of a queue ends.
    fn next_due_time(&self) -> Option<Timestamp> {
        let waiting = self.broker.waiting().into_iter().find(|job| self.serves(&job.key.queue));
        let paused = self.queues().into_iter().filter(|queue| queue.pending > 0);
        let pauses = paused.filter_map(|queue| queue.paused_until);
        pauses.chain(waiting.and_then(|job| job.due_at)).min()
    }

    /// Whether any job waits besides chores, which may never end.
    fn has_waiting_jobs(&self) -> bool {
        let is_chores = |queue: &QueueName| queue.as_str() == CHORES;
        let waiting = self.broker.waiting();
        let served = |queue: &QueueName| !is_chores(queue) && self.serves(queue);
        waiting.iter().any(|job| served(&job.key.queue))
            || self.queues().iter().any(|queue| served(&queue.name) && queue.pending > 0)
    }

    fn serves(&self, queue: &QueueName) -> bool {
        match queue.as_str() {
            CHORES => self.worker.settings.chores,
            _ => {
                self.worker.settings.queues.is_empty()
                    || self.worker.settings.queues.contains(queue)
            }
        }
    }

    /// The queues that the worker takes jobs from.
    fn queues(&self) -> Vec<QueueInfo> {
        let names = at_once(self.broker.queues()).unwrap_or_default();
        let served = names.into_iter().filter(|name| self.serves(name));
        served.filter_map(|name| at_once(self.broker.queue_info(&name)).ok().flatten()).collect()
    }

    /// The names of [`queues`](Self::queues), if one of them has a job that is due now.
    fn busy(&self) -> Option<Vec<QueueName>> {
        let queues = self.queues();
        let any = queues.iter().any(is_busy);
        any.then(|| queues.into_iter().map(|queue| queue.name).collect())
    }

    /// Whether these queues have no job that is due now. New queues need another worker.
    fn are_idle(&self, names: &[QueueName]) -> bool {
        !self.queues().iter().any(|queue| is_busy(queue) && names.contains(&queue.name))
    }

    /// Runs the worker until no job is due, and then stops it. A worker that runs on would wake for
    /// every heartbeat as time passes.
    async fn work(&self, queues: Vec<QueueName>) {
        let is_chores = |queue: &&QueueName| queue.as_str() == CHORES;
        let mut worker = self.worker.clone().chores(queues.iter().any(|queue| is_chores(&queue)));
        if worker.settings.queues.is_empty() {
            worker = worker.queues(queues.iter().filter(|queue| !is_chores(queue)));
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let mut running = pin!(worker.build().run(async { drop(stopped.await) }));
        tokio::select! {
            ended = &mut running => panic!("the worker ended by itself: {ended:?}"),
            () = self.until_idle(&queues) => drop(stop),
        }
        if let Err(err) = running.await {
            panic!("the worker could not stop: {err}");
        }
    }

    async fn until_idle(&self, queues: &[QueueName]) {
        for _ in 0..MAX_AT_ONCE {
            let mut calls = 0;
            let progress = self.broker.until(|| {
                calls += 1;
                calls > 1 || self.are_idle(queues)
            });
            if timeout(STUCK_AFTER, progress).await.is_err() {
                panic!("{}", self.stuck());
            }
            if self.are_idle(queues) {
                return;
            }
        }
        let now = self.clock.now();
        panic!("{MAX_AT_ONCE} attempts at {now}, and more are due:\n{}", self.listing());
    }

    fn stuck(&self) -> String {
        let running = |queue: &QueueInfo| format!("{} on {:?}", queue.running, queue.name.as_str());
        let queues = self.queues();
        let running: Vec<_> = queues.iter().filter(|q| q.running > 0).map(running).collect();
        format!(
            "no job has ended for {} of real time; running: {}. A handler that waits for the \
             harness's clock, or for its timeout, needs a test that moves the clock meanwhile: \
             tokio::join!(harness.drain(), harness.clock().advance(..))",
            naq_core::retry::BriefDuration(STUCK_AFTER),
            running.join(", ")
        )
    }
}

fn is_busy(queue: &QueueInfo) -> bool {
    queue.running > 0 || (queue.pending > 0 && queue.paused_until.is_none())
}
