//! The retry budget: of the retries of a task or queue only so many start, over all workers; the
//! rest waits.
//!
//! What the budget gives by time lies in a pot that all workers share, and out of which they take
//! a few tokens at once, by compare and set; what first attempts give stays with the worker that
//! made them. A token is taken before its retry starts, and one whose worker dies is lost: so at
//! any time retries <= share x first attempts + min_per_sec x seconds + burst, and a quarter of a
//! burst for each worker. A pot that is full is not stored.

mod purse;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, slice};

use async_trait::async_trait;
use naq_core::flow::{RetryBudget, Tokens};
use naq_core::retry::Rule;
use naq_core::transport::{Expect, Saved, StateKey, Stored, Transport, TransportError};
use naq_core::{Envelope, QueueName, TaskName, Timer, Timestamp};

use self::purse::Purse;
use super::{Entry, Gate, Left};
use crate::identity::random;

/// How often the pot is asked again because somebody else was faster.
const TRIES: usize = 16;

/// Holds back the retries beyond a budget.
pub(crate) struct BudgetGate {
    transport: Arc<dyn Transport>,
    timer: Arc<dyn Timer>,
    tasks: HashMap<TaskName, Arc<Shared>>,
    queues: HashMap<QueueName, Arc<Shared>>,
}

/// One budget.
struct Shared {
    /// Whose, for people.
    of: String,
    key: StateKey,
    purse: Mutex<Purse>,
    /// One asks the pot at a time: the others find what it brought.
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
            Some((task.clone(), Arc::new(Shared::new("task", task.as_str(), budget)?)))
        });
        let queues = queues.filter_map(|(queue, budget)| {
            Some((queue.clone(), Arc::new(Shared::new("queue", queue.as_str(), budget)?)))
        });
        Self { transport, timer, tasks: tasks.collect(), queues: queues.collect() }
    }

    /// The budgets of this job.
    fn of(&self, job: &Envelope) -> impl Iterator<Item = &Arc<Shared>> {
        self.tasks.get(&job.task).into_iter().chain(self.queues.get(&job.queue))
    }

    /// A token for a retry, or when to come back.
    async fn token(&self, budget: &Shared) -> Result<Result<(), Timestamp>, TransportError> {
        for _ in 0..TRIES {
            if budget.purse().take() {
                return Ok(Ok(()));
            }
            let _turn = budget.asking.lock().await;
            if budget.purse().take() {
                return Ok(Ok(()));
            }
            if !budget.purse().may_ask(self.timer.now()) {
                break;
            }
            self.draw(budget).await?;
        }
        let share = random() as f64 / u64::MAX as f64;
        Ok(Err(budget.purse().wait(share, self.timer.now())))
    }

    /// Moves tokens from the pot to the purse.
    async fn draw(&self, budget: &Shared) -> Result<(), TransportError> {
        let found = self.transport.state_get(slice::from_ref(&budget.key)).await?.pop().flatten();
        let now = self.timer.now();
        let settings = budget.purse().budget;
        let tokens = found.as_ref().and_then(|entry| serde_json::from_slice(&entry.value).ok());
        let tokens = tokens.unwrap_or_else(|| Tokens::full(&settings, now));
        let expect = found.map_or(Expect::Absent, |entry| Expect::Revision(entry.revision));
        let (taken, rest) = budget.purse().draw(tokens, now);
        if taken == 0 {
            return Ok(());
        }
        let value = serde_json::to_vec(&rest).unwrap_or_default().into();
        let ttl = rest.full_in(&settings, now);
        let saved = self.transport.state_put(&budget.key, value, expect, ttl).await?;
        // Otherwise somebody else was faster: ask again.
        if matches!(saved, Saved::Stored(_)) {
            budget.purse().fill(taken);
        }
        Ok(())
    }
}

impl Shared {
    fn new(kind: &str, name: &str, budget: RetryBudget) -> Option<Self> {
        let key = StateKey::new(["budget", kind, name]).ok()?;
        let purse = Mutex::new(Purse::new(budget));
        Some(Self {
            of: format!("{kind} {name}"),
            key,
            purse,
            asking: tokio::sync::Mutex::default(),
        })
    }

    fn purse(&self) -> MutexGuard<'_, Purse> {
        self.purse.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this is the first start of a job: one that comes back after a crash, a snooze or a gate
/// puts nothing in again.
fn is_first(job: &Envelope) -> bool {
    job.attempt == 1 && job.crashes == 0 && job.first_started_at.is_none()
}

#[async_trait]
impl Gate for BudgetGate {
    fn guards(&self, job: &Envelope) -> bool {
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
    ) -> Result<Entry, TransportError> {
        if job.attempt <= 1 {
            self.of(job).for_each(|budget| budget.purse().deposit());
            return Ok(Entry::Pass);
        }
        let mut paid: Vec<&Arc<Shared>> = Vec::new();
        for budget in self.of(job) {
            let token = self.token(budget).await;
            if matches!(token, Ok(Ok(()))) {
                paid.push(budget);
                continue;
            }
            paid.into_iter().for_each(|budget| budget.purse().give_back());
            let reason = format!("the retry budget of {} is used up", budget.of);
            return token.map(|held| match held {
                Ok(()) => Entry::Pass,
                Err(until) => Entry::Park { until, rule: Rule::Budget, reason },
            });
        }
        Ok(Entry::Pass)
    }

    async fn leave(&self, _job: &Envelope, _stored: &Stored, _how: &Left, _now: Timestamp) {}
}

impl fmt::Debug for BudgetGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetGate").finish_non_exhaustive()
    }
}
