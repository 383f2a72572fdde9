//! Pauses and resumes one task in queues.

use anyhow::Result;
use naq_client::{AuditEntry, Client};
use naq_core::{QueueName, TaskName, Timestamp};
use serde::Serialize;

use super::{QueuePauseArgs, all_exist};
use crate::commands::audit;
use crate::operator_name::operator_name;
use crate::output::{Output, TableRow};
use crate::text::about;

/// The result of an action on a task of a queue.
#[derive(Serialize)]
struct TaskActionResult<'a> {
    queue: &'a QueueName,
    task: &'a TaskName,
    paused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_until: Option<Timestamp>,
    #[serde(skip)]
    words: String,
}

impl TableRow for TaskActionResult<'_> {
    const COLUMNS: &'static [&'static str] = &["QUEUE", "TASK", "~DONE"];
    const NONE: &'static str = "nothing to do";

    fn cells(&self) -> Vec<String> {
        vec![self.queue.to_string(), self.task.to_string(), self.words.clone()]
    }
}

pub(super) async fn pause(
    args: &QueuePauseArgs,
    task: &TaskName,
    client: &Client,
    out: Output,
) -> Result<()> {
    all_exist(client, &args.queues).await?;
    let now = client.broker_now().await?;
    let until = args.until.or(args.span.map(|span| now + span));
    let mut done = Vec::new();
    for queue in &args.queues {
        client.pause_task(queue, task, until, &operator_name(), &args.reason).await?;
        let scope = format!("task {task} of queue {queue}");
        let entry = |who: &str| AuditEntry::new(who, "pause", scope).reason(&args.reason);
        audit::record(client, out, entry).await?;
        let words = match until {
            Some(until) => format!("paused for {}", about(until.since(now))),
            None => "paused".into(),
        };
        done.push(TaskActionResult { queue, task, paused: true, paused_until: until, words });
    }
    out.list(&done)
}

pub(super) async fn resume(
    queues: &[QueueName],
    task: &TaskName,
    client: &Client,
    out: Output,
) -> Result<()> {
    all_exist(client, queues).await?;
    let mut done = Vec::new();
    for queue in queues {
        let words = match client.resume_task(queue, task).await? {
            true => {
                let scope = format!("task {task} of queue {queue}");
                let entry = |who: &str| AuditEntry::new(who, "resume", scope);
                audit::record(client, out, entry).await?;
                "resumed: jobs that were held back start within 5 minutes"
            }
            false => "was not paused",
        };
        let words = words.to_owned();
        done.push(TaskActionResult { queue, task, paused: false, paused_until: None, words });
    }
    out.list(&done)
}
