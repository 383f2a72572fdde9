//! The circuit breaker: holds jobs back while calls of their task or its dependency fail, on all
//! workers.
//!
//! Each worker watches the breakers in the state store, so that it knows within a moment when one
//! opens, and decides without a request. It counts how its own calls end, and adds the counts to
//! the state store by compare and set: a few times a second while calls fail, at once when they
//! open the breaker, and never while all calls succeed. A probe is taken by compare and set before
//! it starts.

mod breaker_table;
mod sync;
mod tracked_breaker;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use naq_client::Client;
use naq_core::flow::breaker::BreakerConfig;
use naq_core::retry::Rule;
use naq_core::sync::lock;
use naq_core::transport::{Stored, TransportError};
use naq_core::{Envelope, TaskName, Timer, Timestamp};
use tokio::sync::Notify;

use self::breaker_table::{BreakerTable, RunningCall};
use self::tracked_breaker::{BreakerAnswer, BreakerPass};
use super::first_read::FirstRead;
use super::gate::Gate;
use super::gate_answer::{GateAnswer, GateExit};
use super::job_key::job_key;
use crate::handler::TaskTable;
use crate::random::random_share;

/// How long a job is held back when it gets no probe of a half open breaker.
const HALF_OPEN_WAIT: Duration = Duration::from_secs(1);
/// How often a job may lose a probe to a faster worker. Then the job is held back.
const TRIES: usize = 8;

/// Holds back the jobs of an open breaker.
pub(crate) struct BreakerGate {
    client: Client,
    timer: Arc<dyn Timer>,
    table: Mutex<BreakerTable>,
    /// The breakers that were registered for each task.
    tasks: HashMap<TaskName, Vec<String>>,
    /// Whether the state store has breakers that this worker did not register. Any task may run
    /// under one of them.
    has_foreign: AtomicBool,
    first_read: FirstRead,
    /// Notified when counts are due to be sent.
    due: Notify,
    /// Locked by the job that asks for a probe. The next job then usually sees in the table that no
    /// probe is left, and sends no request.
    probing: tokio::sync::Mutex<()>,
}

impl BreakerGate {
    pub(crate) fn new(
        client: Client,
        timer: Arc<dyn Timer>,
        tasks: &TaskTable,
        lease: Duration,
    ) -> Self {
        let registered = tasks.breakers().map(|(key, config)| (key.to_owned(), config.clone()));
        let keys = tasks.names().map(|name| (name.clone(), tasks.breakers_of(name)));
        Self {
            client,
            timer,
            table: Mutex::new(BreakerTable::new(registered, lease)),
            tasks: keys.filter(|(_, keys)| !keys.is_empty()).collect(),
            has_foreign: AtomicBool::new(false),
            first_read: FirstRead::default(),
            due: Notify::new(),
            probing: tokio::sync::Mutex::default(),
        }
    }

    fn table(&self) -> MutexGuard<'_, BreakerTable> {
        lock(&self.table)
    }

    /// Changes the table, and wakes the sender if counts become due.
    fn update<T>(&self, change: impl FnOnce(&mut BreakerTable) -> T) -> T {
        let mut table = self.table();
        let before = table.due();
        let result = change(&mut table);
        let has_foreign = table.foreign_count() > 0;
        let due = table.due();
        drop(table);
        self.has_foreign.store(has_foreign, Ordering::Relaxed);
        if due.is_some() && due != before {
            self.due.notify_one();
        }
        result
    }

    /// The worker has read the breakers, or waited long enough. From now on no job waits for that
    /// read.
    fn first_read_done(&self) {
        self.first_read.end();
        self.first_read.wake();
    }

    /// The breakers that the task runs under, the one of its own name first.
    fn keys(&self, task: &TaskName) -> Vec<String> {
        let mut keys = self.tasks.get(task).cloned().unwrap_or_default();
        let own = task.as_str();
        if keys.iter().all(|key| key != own) && self.table().contains(own) {
            keys.insert(0, own.to_owned());
        }
        keys
    }

    /// Waits until the worker has read which breakers are open. Gives up after a short time.
    async fn wait_for_first_read(&self, now: Timestamp) {
        if !self.first_read.wait(&*self.timer, now).await {
            self.first_read_done();
        }
    }

    /// A pass of the breaker. The inner error says until when the job waits, and why.
    async fn ask(
        &self,
        key: &str,
        id: &str,
    ) -> Result<Result<BreakerPass, (Timestamp, String)>, TransportError> {
        let share = random_share();
        let ask = || {
            let now = self.timer.now();
            self.update(|table| table.ask(key, id, share, now))
        };
        for _ in 0..TRIES {
            match ask() {
                None => break,
                Some(BreakerAnswer::Start(pass)) => return Ok(Ok(pass)),
                Some(BreakerAnswer::Wait(until, why)) => return Ok(Err((until, why))),
                Some(BreakerAnswer::Probe(..)) => {}
            }
            let _probing = self.probing.lock().await;
            // The job that asked before this one may have taken the last probe.
            let Some(BreakerAnswer::Probe(probe)) = ask() else { continue };
            let (entry, config, take) = *probe;
            let entry = self.client.change_breaker(entry, &config, &[take]).await?;
            let now = self.timer.now();
            if let Some(pass) = self.update(|table| table.probe(entry, id, now)) {
                return Ok(Ok(pass));
            }
        }
        Ok(Err((self.timer.now() + HALF_OPEN_WAIT, format!("breaker {key} is half open"))))
    }

    /// Counts the end of the call that ran with these passes.
    fn ended(&self, passes: Vec<BreakerPass>, call: &GateExit, now: Timestamp) {
        let succeeded = |config: &BreakerConfig| match call {
            GateExit::Succeeded => Some(true),
            GateExit::Failed(kind) => config.verdict(kind),
            GateExit::Undecided => None,
        };
        self.update(|table| passes.into_iter().for_each(|pass| table.ended(pass, succeeded, now)));
    }
}

fn running(job: &Envelope, stored: &Stored) -> RunningCall {
    let key = job_key(job);
    RunningCall { job: key, seq: stored.seq, stored_at: stored.stored_at, crashes: job.crashes }
}

#[async_trait]
impl Gate for BreakerGate {
    fn applies_to(&self, job: &Envelope) -> bool {
        self.tasks.contains_key(&job.task)
            || !self.first_read.is_over()
            || (self.has_foreign.load(Ordering::Relaxed)
                && self.table().contains(job.task.as_str()))
    }

    fn rule(&self) -> Rule {
        Rule::Breaker
    }

    async fn enter(
        &self,
        job: &Envelope,
        stored: &Stored,
        now: Timestamp,
    ) -> Result<GateAnswer, TransportError> {
        if !self.first_read.is_over() {
            self.wait_for_first_read(now).await;
        }
        let (running, mut passes) = (running(job, stored), Vec::new());
        let id = running.job.to_string();
        for key in self.keys(&job.task) {
            let asked = self.ask(&key, &id).await;
            if let Ok(Ok(pass)) = asked {
                passes.push(pass);
                continue;
            }
            self.ended(passes, &GateExit::Undecided, self.timer.now());
            let rule = Rule::Breaker;
            return asked.map(|held| match held {
                Ok(_) => GateAnswer::Pass,
                Err((until, reason)) => GateAnswer::HoldBack { until, rule, by: Some(key), reason },
            });
        }
        if !passes.is_empty() {
            self.table().begin(running, passes);
        }
        Ok(GateAnswer::Pass)
    }

    async fn leave(&self, job: &Envelope, stored: &Stored, call: &GateExit, now: Timestamp) {
        let passes = self.table().end(&running(job, stored));
        if !passes.is_empty() {
            self.ended(passes, call, now);
        }
    }

    async fn maintain(&self) {
        tokio::join!(self.sync_loop(), self.send_updates());
    }
}

impl fmt::Debug for BreakerGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerGate").field("tasks", &self.tasks).finish_non_exhaustive()
    }
}
