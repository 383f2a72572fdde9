//! The retry budget: it limits how many retries of a task or queue start, over all workers. The
//! rest wait.
//!
//! Tokens that the budget gives by time are in an entry of the state store. Workers take a few at
//! once, by compare and set. Tokens that first attempts give stay with the worker that made the
//! attempts. A token is taken before its retry starts, and lost if its worker dies. So at any time
//! retries <= share x first attempts + min_per_sec x seconds + burst, plus a quarter of a burst for
//! each worker. A full budget has no entry.

mod local_tokens;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::{fmt, slice};

use async_trait::async_trait;
use naq_core::flow::{RetryBudget, Tokens};
use naq_core::retry::Rule;
use naq_core::sync::lock;
use naq_core::transport::{Expect, Saved, StateKey, Stored, Transport, TransportError};
use naq_core::{Envelope, QueueName, TaskName, Timer, Timestamp};

use self::local_tokens::LocalTokens;
use super::gate::Gate;
use super::gate_answer::{GateAnswer, GateExit};
use crate::random::random_share;

/// How often a job may lose tokens to a faster worker. Then the job is held back.
const TRIES: usize = 16;

/// Holds back the retries beyond a budget.
pub(crate) struct BudgetGate {
    transport: Arc<dyn Transport>,
    timer: Arc<dyn Timer>,
    tasks: HashMap<TaskName, Arc<TrackedBudget>>,
    queues: HashMap<QueueName, Arc<TrackedBudget>>,
}

/// One budget as this worker sees it.
struct TrackedBudget {
    /// The task or queue, for messages.
    name: String,
    key: StateKey,
    local: Mutex<LocalTokens>,
    /// Locked by the job that asks the state store for tokens. The jobs that wait for the lock use
    /// these tokens too.
    asking: tokio::sync::Mutex<()>,
}

impl BudgetGate {
    pub(crate) fn new<'a>(
        transport: Arc<dyn Transport>,
        timer: Arc<dyn Timer>,
        tasks: impl Iterator<Item = (&'a TaskName, RetryBudget)>,
        queues: impl Iterator<Item = (&'a QueueName, RetryBudget)>,
    ) -> Self {
        let tasks = tasks.filter_map(|(task, budget)| {
            Some((task.clone(), Arc::new(TrackedBudget::new("task", task.as_str(), budget)?)))
        });
        let queues = queues.filter_map(|(queue, budget)| {
            Some((queue.clone(), Arc::new(TrackedBudget::new("queue", queue.as_str(), budget)?)))
        });
        Self { transport, timer, tasks: tasks.collect(), queues: queues.collect() }
    }

    /// The budgets of the job.
    fn of(&self, job: &Envelope) -> impl Iterator<Item = &Arc<TrackedBudget>> {
        self.tasks.get(&job.task).into_iter().chain(self.queues.get(&job.queue))
    }

    /// Takes a token for a retry. The inner error says when to come back.
    async fn take_token(
        &self,
        budget: &TrackedBudget,
    ) -> Result<Result<(), Timestamp>, TransportError> {
        for _ in 0..TRIES {
            if budget.local().take() {
                return Ok(Ok(()));
            }
            let _asking = budget.asking.lock().await;
            if budget.local().take() {
                return Ok(Ok(()));
            }
            if !budget.local().may_draw(self.timer.now()) {
                break;
            }
            self.draw_shared(budget).await?;
        }
        Ok(Err(budget.local().retry_at(random_share(), self.timer.now())))
    }

    /// Moves tokens from the state store to this worker.
    async fn draw_shared(&self, budget: &TrackedBudget) -> Result<(), TransportError> {
        let found = self.transport.state_get(slice::from_ref(&budget.key)).await?.pop().flatten();
        let now = self.timer.now();
        let settings = budget.local().budget;
        let tokens = found.as_ref().and_then(|entry| serde_json::from_slice(&entry.value).ok());
        let tokens = tokens.unwrap_or_else(|| Tokens::full(&settings, now));
        let expect = found.map_or(Expect::Absent, |entry| Expect::Revision(entry.revision));
        let (taken, rest) = budget.local().draw(tokens, now);
        if taken == 0 {
            return Ok(());
        }
        let value = serde_json::to_vec(&rest).unwrap_or_default().into();
        let ttl = rest.full_in(&settings, now);
        let saved = self.transport.state_put(&budget.key, value, expect, ttl).await?;
        // On a conflict another worker was faster: the caller asks again.
        if matches!(saved, Saved::Stored(_)) {
            budget.local().add_drawn(taken);
        }
        Ok(())
    }
}

impl TrackedBudget {
    fn new(kind: &str, name: &str, budget: RetryBudget) -> Option<Self> {
        let key = StateKey::new(["budget", kind, name]).ok()?;
        let local = Mutex::new(LocalTokens::new(budget));
        Some(Self {
            name: format!("{kind} {name}"),
            key,
            local,
            asking: tokio::sync::Mutex::default(),
        })
    }

    fn local(&self) -> MutexGuard<'_, LocalTokens> {
        lock(&self.local)
    }
}

/// Whether this is the first start of the job. A job that comes back after a crash, a snooze or a
/// gate gives no tokens again.
fn is_first(job: &Envelope) -> bool {
    job.attempt == 1 && job.crashes == 0 && job.first_started_at.is_none()
}

#[async_trait]
impl Gate for BudgetGate {
    fn applies_to(&self, job: &Envelope) -> bool {
        (job.attempt > 1 || is_first(job)) && self.of(job).next().is_some()
    }

    fn rule(&self) -> Rule {
        Rule::Budget
    }

    async fn enter(
        &self,
        job: &Envelope,
        _stored: &Stored,
        _now: Timestamp,
    ) -> Result<GateAnswer, TransportError> {
        if job.attempt <= 1 {
            self.of(job).for_each(|budget| budget.local().deposit());
            return Ok(GateAnswer::Pass);
        }
        let mut charged: Vec<&Arc<TrackedBudget>> = Vec::new();
        for budget in self.of(job) {
            let token = self.take_token(budget).await;
            if matches!(token, Ok(Ok(()))) {
                charged.push(budget);
                continue;
            }
            charged.into_iter().for_each(|budget| budget.local().give_back());
            let reason = format!("the retry budget of {} is used up", budget.name);
            return token.map(|held| match held {
                Ok(()) => GateAnswer::Pass,
                Err(until) => {
                    let by = Some(budget.name.clone());
                    GateAnswer::HoldBack { until, rule: Rule::Budget, by, reason }
                }
            });
        }
        Ok(GateAnswer::Pass)
    }

    async fn leave(&self, _job: &Envelope, _stored: &Stored, _call: &GateExit, _now: Timestamp) {}
}

impl fmt::Debug for BudgetGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetGate").finish_non_exhaustive()
    }
}
