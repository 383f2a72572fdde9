//! Pause and resume one task in a queue. A whole queue is paused at the broker
//! ([`Operator::pause`](naq_core::transport::Operator::pause)).

use naq_core::clock::Timestamp;
use naq_core::flow::TaskPause;
use naq_core::names::{CHORES, QueueName, StateKeyError, TaskName};
use naq_core::transport::{Expect, TransportError};

use crate::Client;
use crate::operate::audit_entry::operator_text;

/// Entries that one request reads.
const PAGE: usize = 500;

impl Client {
    /// Holds back the jobs of a task in one queue, until the time `until` by the broker's clock
    /// ([`broker_now`](Self::broker_now)), or until it is
    /// [resumed](Self::resume_task). Within a moment no worker starts one; running jobs continue.
    /// The jobs wait in the broker, and use no slot and no attempt. A second pause replaces the
    /// first. `who` and `reason` are stored without secrets, and cut to 500 characters.
    ///
    /// ```no_run
    /// # use naq_client::Client;
    /// # use naq_core::{QueueName, TaskName};
    /// # use naq_core::transport::TransportError;
    /// # async fn f(client: Client, queue: QueueName, task: TaskName) -> Result<(), TransportError> {
    /// client.pause_task(&queue, &task, None, "ann@desk", "the provider is down").await?;
    /// client.resume_task(&queue, &task).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TransportError`]; [`TransportError::Rejected`] for the queue of NAQ's own jobs.
    pub async fn pause_task(
        &self,
        queue: &QueueName,
        task: &TaskName,
        until: Option<Timestamp>,
        who: &str,
        reason: &str,
    ) -> Result<TaskPause, TransportError> {
        if queue.as_str() == CHORES {
            return Err(TransportError::Rejected {
                what: format!("pause task {task} of queue {queue}"),
                reason:
                    "these are NAQ's own jobs, which all other jobs need: pause a schedule, or \
                         tasks of your own queues"
                        .into(),
            });
        }
        let now = self.broker_now().await?;
        let key = TaskPause::key(queue, task).map_err(refused)?;
        let pause = TaskPause {
            queue: queue.clone(),
            task: task.clone(),
            until,
            since: now,
            who: operator_text(who),
            reason: operator_text(reason),
        };
        let ttl = until.map(|until| until.since(now));
        if ttl.is_some_and(|ttl| ttl.is_zero()) {
            self.transport.state_remove(&key, Expect::Any).await?;
        } else {
            self.transport.state_put(&key, pause.value(), Expect::Any, ttl).await?;
        }
        Ok(pause)
    }

    /// Ends a pause. New jobs start at once. Jobs that were held back are checked again within 15
    /// seconds, or within a tenth of the pause's duration if that is longer, at most 5 minutes.
    /// False when the task was not paused.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn resume_task(
        &self,
        queue: &QueueName,
        task: &TaskName,
    ) -> Result<bool, TransportError> {
        let key = TaskPause::key(queue, task).map_err(refused)?;
        let found = self.transport.state_get(std::slice::from_ref(&key)).await?.pop().flatten();
        self.transport.state_remove(&key, Expect::Any).await?;
        Ok(found.is_some())
    }

    /// The tasks that are paused now, sorted by queue and task.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn paused_tasks(&self) -> Result<Vec<TaskPause>, TransportError> {
        let prefix = TaskPause::prefix().map_err(refused)?;
        let now = self.clock.now();
        let mut pauses = Vec::new();
        let mut next = Some(0);
        while let Some(from) = next {
            let page = self.transport.state_list(&prefix, from, PAGE).await?;
            pauses.extend(page.entries.iter().filter_map(TaskPause::read));
            next = page.next;
        }
        pauses.retain(|pause| pause.holds(now));
        // A pause that was stored again during the listing may come twice, the newer one later.
        pauses.reverse();
        pauses.sort_by(|a, b| (&a.queue, &a.task).cmp(&(&b.queue, &b.task)));
        pauses.dedup_by(|a, b| (&a.queue, &a.task) == (&b.queue, &b.task));
        Ok(pauses)
    }
}

fn refused(err: StateKeyError) -> TransportError {
    TransportError::Rejected { what: "the key of a pause".into(), reason: err.to_string() }
}
