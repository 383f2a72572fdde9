//! Holds back the jobs of tasks that an operator has paused in a queue.
//!
//! Each worker watches the pauses in the state store, so that it knows of a new one within a
//! moment. No request is sent for a job. While no task is paused, the gate only reads a flag.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use naq_client::Client;
use naq_core::flow::TaskPause;
use naq_core::retry::Rule;
use naq_core::sync::lock;
use naq_core::transport::{StateChange, Stored, TransportError};
use naq_core::{Envelope, QueueName, TaskName, Timer, Timestamp};

use super::first_read::FirstRead;
use super::gate::Gate;
use super::gate_answer::{GateAnswer, GateExit};
use crate::outage::Outage;
use crate::random::random_share;

type Pauses = HashMap<QueueName, HashMap<TaskName, TaskPause>>;

/// Holds back the jobs of paused tasks.
#[derive(Debug)]
pub(crate) struct PauseGate {
    client: Client,
    timer: Arc<dyn Timer>,
    pauses: Mutex<Pauses>,
    /// Whether a job may be paused: a task is paused, or the worker has not read the pauses yet.
    may_be_paused: AtomicBool,
    first_read: FirstRead,
}

impl PauseGate {
    pub(crate) fn new(client: Client, timer: Arc<dyn Timer>) -> Self {
        Self {
            client,
            timer,
            pauses: Mutex::default(),
            may_be_paused: AtomicBool::new(true),
            first_read: FirstRead::default(),
        }
    }

    /// The pause of the job's task, if it is in force.
    fn pause_of(&self, job: &Envelope, now: Timestamp) -> Option<TaskPause> {
        let pauses = lock(&self.pauses);
        let pause = pauses.get(&job.queue)?.get(&job.task)?;
        pause.holds(now).then(|| pause.clone())
    }

    fn update(&self, change: impl FnOnce(&mut Pauses)) {
        let mut pauses = lock(&self.pauses);
        change(&mut pauses);
        pauses.retain(|_, tasks| !tasks.is_empty());
        let may_be_paused = !pauses.is_empty() || !self.first_read.is_over();
        self.may_be_paused.store(may_be_paused, Ordering::Release);
    }

    /// The worker has read the pauses, or waited long enough. From now on no job waits for that
    /// read.
    fn first_read_done(&self) {
        self.first_read.end();
        self.update(|_| {});
        self.first_read.wake();
    }

    /// Waits until the worker has read which tasks are paused. Gives up after a short time.
    async fn wait_for_first_read(&self, now: Timestamp) {
        if !self.first_read.wait(&*self.timer, now).await {
            self.first_read_done();
        }
    }

    async fn watch(&self, outage: &mut Outage) -> Result<(), TransportError> {
        let prefix = TaskPause::prefix().map_err(|err| TransportError::Rejected {
            what: "watch pauses".into(),
            reason: err.to_string(),
        })?;
        let mut watch = self.client.transport().state_watch(&prefix).await?;
        // All pauses at once: the watch does not say where its first entries end.
        let paused = self.client.paused_tasks().await?;
        self.update(|pauses| {
            pauses.clear();
            paused.into_iter().for_each(|pause| add(pauses, pause));
        });
        self.first_read_done();
        outage.recovered(self.timer.now());
        while let Some(change) = watch.next().await {
            self.apply_change(&change);
        }
        Ok(())
    }

    fn apply_change(&self, change: &StateChange) {
        match change.entry.as_ref().map(TaskPause::read) {
            Some(Some(pause)) => self.update(|pauses| add(pauses, pause)),
            Some(None) => tracing::warn!(
                "{}: written by another version of NAQ; this worker keeps what it knew",
                change.key
            ),
            None => {
                if let Some((queue, task)) = TaskPause::of_key(&change.key) {
                    self.update(|pauses| {
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
    fn applies_to(&self, job: &Envelope) -> bool {
        self.may_be_paused.load(Ordering::Acquire)
            && (!self.first_read.is_over() || self.pause_of(job, self.timer.now()).is_some())
    }

    fn rule(&self) -> Rule {
        Rule::Paused
    }

    async fn enter(
        &self,
        job: &Envelope,
        _stored: &Stored,
        now: Timestamp,
    ) -> Result<GateAnswer, TransportError> {
        if !self.first_read.is_over() {
            self.wait_for_first_read(now).await;
        }
        let now = self.timer.now();
        let Some(pause) = self.pause_of(job, now) else { return Ok(GateAnswer::Pass) };
        let until = pause.next_look(now, random_share());
        let by = Some(pause.task.to_string());
        Ok(GateAnswer::HoldBack { until, rule: Rule::Paused, by, reason: pause.sentence() })
    }

    async fn leave(&self, _job: &Envelope, _stored: &Stored, _call: &GateExit, _now: Timestamp) {}

    /// Watches the pauses for as long as the worker runs.
    async fn maintain(&self) {
        let mut outage = Outage::new("the pauses of tasks");
        loop {
            // A watch that ends without an error begins again.
            if let Err(err) = self.watch(&mut outage).await {
                // The pauses cannot be read, so jobs start without them.
                self.first_read_done();
                let now = self.timer.now();
                let wait = outage.failed(&err, now);
                self.timer.sleep_until(now + wait).await;
            }
        }
    }
}
