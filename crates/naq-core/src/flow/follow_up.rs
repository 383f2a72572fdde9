//! [`FollowUp`]: the job that NAQ enqueues when another job dies.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::{NameError, QueueName, TaskName};
use crate::retry::RetryPolicy;

/// The job that NAQ enqueues when another job dies.
///
/// The worker enqueues it before it acks the message of the dead job. Exactly one follows each life
/// that ends as dead, even if a worker crashes meanwhile. Its arguments are a summary of the death; see
/// [`DeadLetter::summary`](crate::DeadLetter::summary).
///
/// ```
/// use naq_core::RetryPolicy;
/// use naq_core::flow::FollowUp;
///
/// let refund = FollowUp::new("order.refund").queue("money").policy(RetryPolicy::aggressive());
/// ```
#[must_use]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FollowUp {
    /// The task of the follow-up job.
    pub task: TaskName,
    /// Its queue; the queue of the dead job by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// Its retry policy; the conservative one by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<RetryPolicy>,
}

impl FollowUp {
    /// A job of this task, in the queue of the dead job, with the default policy.
    ///
    /// # Panics
    /// If `task` is not a valid task name.
    pub fn new(task: impl AsRef<str>) -> Self {
        let task = TaskName::new(task).unwrap_or_else(|err| panic!("{err}"));
        Self { task, queue: None, policy: None }
    }

    /// Sets the queue.
    ///
    /// # Panics
    /// If `queue` is not a valid queue name.
    pub fn queue(mut self, queue: impl AsRef<str>) -> Self {
        self.queue = Some(QueueName::new(queue).unwrap_or_else(|err| panic!("{err}")));
        self
    }

    /// Sets the retry policy.
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = Some(policy);
        self
    }
}

impl FromStr for FollowUp {
    type Err = NameError;

    /// `order.refund`, or `order.refund@money` for another queue.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (task, queue) = match text.split_once('@') {
            Some((task, queue)) => (task, Some(QueueName::new(queue)?)),
            None => (text, None),
        };
        Ok(Self { task: TaskName::new(task)?, queue, policy: None })
    }
}

impl From<&str> for FollowUp {
    /// `order.refund`, or `order.refund@money`.
    ///
    /// # Panics
    /// If the text has neither form.
    fn from(text: &str) -> Self {
        text.parse().unwrap_or_else(|err| panic!("{err}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_has_a_task_and_optionally_a_queue() {
        assert_eq!("a.b".parse(), Ok(FollowUp::new("a.b")));
        assert_eq!("a.b@money".parse(), Ok(FollowUp::new("a.b").queue("money")));
        for bad in ["", "@money", "a.b@", "a b", "a@b@c"] {
            assert!(bad.parse::<FollowUp>().is_err(), "{bad}");
        }
    }
}
