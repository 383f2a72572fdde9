//! [`DlqSelectionArgs`]: the dead letters that the user selects.

use anyhow::Result;
use clap::Args;
use naq_client::{Client, ClientError, DeadFilter};
use naq_core::transport::{JobKey, Place, Stored};
use naq_core::{ErrorKind, QueueName, TaskName};

use crate::exit::CliError;
use crate::job_name::JobName;

#[derive(Debug, Args)]
pub(crate) struct DlqFilterArgs {
    /// Only this queue
    #[arg(short, long)]
    queue: Option<QueueName>,
    /// Only errors of this kind or below it, such as HTTPError
    #[arg(long, value_name = "KIND")]
    error_kind: Option<ErrorKind>,
    /// Only this task
    #[arg(long)]
    task: Option<TaskName>,
}

impl DlqFilterArgs {
    pub(super) fn to_dead_filter(&self) -> DeadFilter {
        DeadFilter {
            queue: self.queue.clone(),
            error_kind: self.error_kind.clone(),
            task: self.task.clone(),
            ..DeadFilter::default()
        }
    }

    fn is_empty(&self) -> bool {
        self.queue.is_none() && self.error_kind.is_none() && self.task.is_none()
    }
}

#[derive(Debug, Args)]
pub(crate) struct DlqSelectionArgs {
    /// The jobs: their ids, or QUEUE/ID
    #[arg(value_name = "ID")]
    pub(super) ids: Vec<JobName>,
    #[command(flatten)]
    pub(super) filter: DlqFilterArgs,
    /// Every dead letter
    #[arg(long, conflicts_with_all = ["ids", "queue", "error_kind", "task"])]
    all: bool,
}

impl DlqSelectionArgs {
    /// Refuses a command that selects nothing, or ids and a filter together.
    pub(super) fn check(&self) -> Result<(), CliError> {
        match (self.ids.is_empty(), self.filter.is_empty(), self.all) {
            (true, true, false) => Err(CliError::usage("no dead letters are selected")
                .next("give ids, or --queue, --error-kind, --task, or --all")),
            (false, false, _) if self.filter.error_kind.is_some() || self.filter.task.is_some() => {
                Err(CliError::usage("ids cannot be combined with --error-kind or --task")
                    .next("give ids, with --queue if needed, or leave out the ids"))
            }
            _ => Ok(()),
        }
    }

    /// The selection in words.
    pub(super) fn words(&self) -> String {
        if let [id] = self.ids.as_slice() {
            return format!("the dead letter {id}");
        }
        if !self.ids.is_empty() {
            return format!("{} dead letters", self.ids.len());
        }
        let mut text =
            if self.all { "every dead letter".to_owned() } else { "the dead letters".into() };
        for (lead, value) in [
            ("of queue", self.filter.queue.as_ref().map(QueueName::as_str)),
            ("of task", self.filter.task.as_ref().map(TaskName::as_str)),
            ("with error", self.filter.error_kind.as_ref().map(ErrorKind::as_str)),
        ] {
            if let Some(value) = value {
                text.push_str(&format!(" {lead} {value}"));
            }
        }
        text
    }
}

/// The dead letter of this id, even if the job has been requeued and lives again.
pub(super) async fn find(
    client: &Client,
    name: &JobName,
    queue: Option<&QueueName>,
) -> Result<Stored> {
    let id = &name.id;
    let queues = match name.queue(queue)? {
        Some(queue) => vec![queue],
        None => client.transport().find(id).await?,
    };
    let mut letters = Vec::new();
    for queue in queues {
        let key = JobKey::new(queue, id.clone());
        let found = client.transport().locate(&key).await?;
        letters.extend(found.into_iter().filter(|stored| stored.place == Place::Dead));
    }
    match letters.len() {
        0 => Err(CliError::not_found(format!("no dead letter {name}"))
            .next(format!("show the job: naq job show {name}"))
            .into()),
        1 => Ok(letters.remove(0)),
        _ => {
            let queues = letters.into_iter().map(|letter| letter.key.queue).collect();
            Err(ClientError::Ambiguous { id: id.clone(), queues }.into())
        }
    }
}
