//! [`Settings`]: the settings of a worker, as the builder collects them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::flow::RetryBudget;
use naq_core::redact::Redactor;
use naq_core::{QueueName, RetryPolicy, Timer, WorkerId};

use super::handler_runtime::HandlerRuntime;
use super::identity;
use crate::chores;
use crate::decide::LargeResults;
use crate::engine::WorkerRole;
use crate::handler::TaskTable;
use crate::slots::Sharing;

/// The settings of a worker.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) client: Client,
    pub(crate) tasks: TaskTable,
    pub(crate) queues: Vec<QueueName>,
    pub(crate) weights: BTreeMap<QueueName, u32>,
    pub(crate) strict: bool,
    pub(crate) concurrency: usize,
    pub(crate) name: Option<String>,
    pub(crate) id: Option<WorkerId>,
    pub(crate) lease: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) role: WorkerRole,
    pub(crate) unknown_tasks: RetryPolicy,
    pub(crate) large_results: LargeResults,
    pub(crate) handlers: HandlerRuntime,
    pub(crate) handler_threads: Option<usize>,
    pub(crate) timer: Arc<dyn Timer>,
    /// Whether the worker also runs chores.
    pub(crate) chores: bool,
    /// Whether the worker runs nothing else.
    pub(crate) only_chores: bool,
    pub(crate) stats: bool,
    pub(crate) redactor: Redactor,
    /// The queues that take only signed jobs.
    pub(crate) signed_queues: BTreeSet<QueueName>,
    pub(crate) retry_budgets: BTreeMap<QueueName, RetryBudget>,
}

impl Settings {
    /// How the queues share the slots, and their weights in their order.
    pub(super) fn sharing(&self) -> (Sharing, Vec<u32>) {
        let weight = |queue| self.weights.get(queue).copied().unwrap_or(1);
        let sharing = match self.queues.len() {
            0 | 1 => Sharing::FirstCome,
            _ if self.strict => Sharing::Strict,
            _ if self.weights.is_empty() => Sharing::FirstCome,
            _ => Sharing::Weighted,
        };
        (sharing, self.queues.iter().map(weight).collect())
    }

    /// The id that was set; otherwise a new one.
    pub(super) fn worker_id(&self) -> WorkerId {
        self.id.clone().unwrap_or_else(|| {
            let name = self.name.clone().unwrap_or_else(identity::hostname);
            identity::worker_id(&name)
        })
    }

    /// The settings of the chores worker inside this worker.
    pub(super) fn for_chores(&self) -> Self {
        Self {
            tasks: chores::chore_registry().into_tasks(),
            queues: vec![chores::queue()],
            concurrency: chores::SLOTS,
            handlers: HandlerRuntime::Current,
            shutdown_timeout: chores::SHUTDOWN_TIMEOUT,
            name: None,
            id: None,
            chores: false,
            role: WorkerRole::Chores,
            ..self.clone()
        }
    }
}
