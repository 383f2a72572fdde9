//! Tasks that an operator has paused in a queue: their jobs wait, and lose no attempt.
//!
//! Each worker watches the pauses that are stored, so that it knows of one within a moment, and asks
//! nobody when a job comes: while nothing is paused that costs one look at a flag.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use naq_client::Client;
use naq_core::flow::TaskPause;
use naq_core::retry::Rule;
use naq_core::transport::{StateChange, Stored, TransportError};
use naq_core::{Envelope, QueueName, TaskName, Timer, Timestamp};
use tokio::sync::Notify;

use super::{Entry, Gate, Left};
use crate::identity::random;
use crate::outage::Outage;

/// How long the first jobs wait until the worker knows what is paused.
const FIRST_LOOK: Duration = Duration::from_secs(1);

type Pauses = HashMap<QueueName, HashMap<TaskName, TaskPause>>;

/// Holds back the jobs of paused tasks.
#[derive(Debug)]
pub(crate) struct PauseGate {
    client: Client,
    timer: Arc<dyn Timer>,
    pauses: Mutex<Pauses>,
    /// Whether a job need look: something is paused, or it is not known yet what.
    wary: AtomicBool,
    /// Whether the worker has looked what is paused; who waits for that is told.
    known: AtomicBool,
    told: Notify,
}

impl PauseGate {
    pub(crate) fn new(client: Client, timer: Arc<dyn Timer>) -> Self {
        Self {
            client,
            timer,
            pauses: Mutex::default(),
            wary: AtomicBool::new(true),
            known: AtomicBool::new(false),
            told: Notify::new(),
        }
    }

    fn pauses(&self) -> MutexGuard<'_, Pauses> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pause of the job's task, if it is in force.
    fn pause_of(&self, job: &Envelope, now: Timestamp) -> Option<TaskPause> {
        let pauses = self.pauses();
        let pause = pauses.get(&job.queue)?.get(&job.task)?;
        pause.holds(now).then(|| pause.clone())
    }

    fn note(&self, change: impl FnOnce(&mut Pauses)) {
        let mut pauses = self.pauses();
        change(&mut pauses);
        pauses.retain(|_, tasks| !tasks.is_empty());
        let wary = !pauses.is_empty() || !self.known.load(Ordering::Acquire);
        self.wary.store(wary, Ordering::Release);
    }

    /// From now on jobs go by what is known.
    fn look_is_over(&self) {
        self.known.store(true, Ordering::Release);
        self.note(|_| {});
        self.told.notify_waiters();
    }

    /// Until the worker knows what is paused; but not for long.
    async fn first_look(&self, now: Timestamp) {
        let mut told = std::pin::pin!(self.told.notified());
        told.as_mut().enable();
        if self.known.load(Ordering::Acquire) {
            return;
        }
        tokio::select! {
            () = told => {}
            () = self.timer.sleep_until(now + FIRST_LOOK) => self.look_is_over(),
        }
    }

    async fn follow(&self, outage: &mut Outage) -> Result<(), TransportError> {
        let prefix = TaskPause::prefix().map_err(|err| TransportError::Rejected {
            what: "watch pauses".into(),
            reason: err.to_string(),
        })?;
        let mut watch = self.client.transport().state_watch(&prefix).await?;
        // All there is, at once: what the watch begins with has no end that could be seen.
        let paused = self.client.paused_tasks().await?;
        self.note(|pauses| {
            pauses.clear();
            paused.into_iter().for_each(|pause| add(pauses, pause));
        });
        self.look_is_over();
        outage.over(self.timer.now());
        while let Some(change) = watch.next().await {
            self.hear(&change);
        }
        Ok(())
    }

    fn hear(&self, change: &StateChange) {
        match change.entry.as_ref().map(TaskPause::read) {
            Some(Some(pause)) => self.note(|pauses| add(pauses, pause)),
            Some(None) => tracing::warn!(
                "{}: another version of NAQ has written it; this worker goes by what it knew",
                change.key
            ),
            None => {
                if let Some((queue, task)) = TaskPause::of_key(&change.key) {
                    self.note(|pauses| {
                        pauses.get_mut(&queue).and_then(|tasks| tasks.remove(&task));
                    });
                }
            }
        }
    }
}

fn add(pauses: &mut Pauses, pause: TaskPause) {
    pauses.entry(pause.queue.clone()).or_default().insert(pause.task.clone(), pause);
}

#[async_trait]
impl Gate for PauseGate {
    fn guards(&self, job: &Envelope) -> bool {
        self.wary.load(Ordering::Acquire)
            && (!self.known.load(Ordering::Acquire)
                || self.pause_of(job, self.timer.now()).is_some())
    }

    fn rule(&self) -> Rule {
        Rule::Paused
    }

    async fn enter(
        &self,
        job: &Envelope,
        _stored: &Stored,
        now: Timestamp,
    ) -> Result<Entry, TransportError> {
        if !self.known.load(Ordering::Acquire) {
            self.first_look(now).await;
        }
        let now = self.timer.now();
        let Some(pause) = self.pause_of(job, now) else { return Ok(Entry::Pass) };
        #[expect(clippy::cast_precision_loss, reason = "a share of a span")]
        let until = pause.next_look(now, random() as f64 / u64::MAX as f64);
        Ok(Entry::Park { until, rule: Rule::Paused, reason: pause.sentence() })
    }

    async fn leave(&self, _job: &Envelope, _stored: &Stored, _how: &Left, _now: Timestamp) {}

    /// Hears of pauses for as long as the worker runs.
    async fn keep(&self) {
        let mut outage = Outage::of("the pauses of tasks");
        loop {
            // Broken off without an error: once more from the beginning.
            if let Err(err) = self.follow(&mut outage).await {
                // Nobody waits for what cannot be known.
                self.look_is_over();
                let now = self.timer.now();
                let wait = outage.failed(&err, now);
                self.timer.sleep_until(now + wait).await;
            }
        }
    }
}
