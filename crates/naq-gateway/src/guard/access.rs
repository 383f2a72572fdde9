//! [`Access`]: who sends a request, and what they may do.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use naq_core::names::{CHORES, QueueName, TaskName};

use crate::keys::ApiKey;
use crate::problem::Problem;

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// No key.
    None,
    /// Any key.
    Enqueue,
    /// A key that may operate.
    Operate,
}

/// A caller whose request has passed the guards.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    /// `None` if the gateway has no keys: then the caller may do everything.
    key: Option<Arc<ApiKey>>,
}

impl Access {
    pub(crate) fn of(key: Arc<ApiKey>) -> Self {
        Self { key: Some(key) }
    }

    /// The caller's name, for logs: `local` without keys.
    pub(crate) fn who(&self) -> &str {
        self.key.as_ref().map_or("local", |key| &key.name)
    }

    /// The caller's key, if its rate is limited.
    pub(crate) fn limited(&self) -> Option<(&str, u32)> {
        let key = self.key.as_ref()?;
        key.rate.map(|rate| (key.name.as_str(), rate))
    }

    pub(crate) fn may(&self, right: Right) -> bool {
        right != Right::Operate || self.key.as_ref().is_none_or(|key| key.may_operate)
    }

    /// Whether the caller may use this queue. NAQ's own queue is open to no caller.
    pub(crate) fn has_queue(&self, queue: &QueueName) -> bool {
        let own = queue.as_str() == CHORES;
        !own && self.key.as_ref().is_none_or(|key| key.queues.has(queue.as_str()))
    }

    fn has_task(&self, task: &TaskName) -> bool {
        self.key.as_ref().is_none_or(|key| key.tasks.has(task.as_str()))
    }

    /// Whether the caller may use every queue.
    pub(crate) fn has_every_queue(&self) -> bool {
        self.key.as_ref().is_none_or(|key| key.queues == crate::keys::Allowed::All)
    }

    pub(crate) fn check_queue(&self, queue: &QueueName) -> Result<(), Problem> {
        match self.has_queue(queue) {
            true => Ok(()),
            false => Err(Problem::forbidden(format!("no right to the queue {queue}"))),
        }
    }

    pub(crate) fn check_task(&self, task: &TaskName) -> Result<(), Problem> {
        match self.has_task(task) {
            true => Ok(()),
            false => Err(Problem::forbidden(format!("no right to the task {task}"))),
        }
    }

    /// Checks the task of a stored job. A job that cannot be decoded has no task: only a caller with every
    /// task may see it.
    pub(crate) fn check_job(&self, task: Option<&TaskName>) -> Result<(), Problem> {
        match task {
            Some(task) => self.check_task(task),
            None if self.sees_job(None) => Ok(()),
            None => Err(Problem::forbidden("no right to a job whose task is unknown")),
        }
    }

    /// Whether the caller may see a job of this task.
    pub(crate) fn sees_job(&self, task: Option<&TaskName>) -> bool {
        let every = |key: &Arc<ApiKey>| key.tasks == crate::keys::Allowed::All;
        task.map_or_else(|| self.key.as_ref().is_none_or(every), |task| self.has_task(task))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let admitted = parts.extensions.get::<Self>().cloned();
        // Every route is guarded, so this does not happen.
        admitted.ok_or_else(|| Problem::forbidden("this route has no guard"))
    }
}
