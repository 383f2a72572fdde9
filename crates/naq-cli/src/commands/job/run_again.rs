//! `naq job run-again`: a new job like one that has ended.

use anyhow::Result;
use clap::Args;
use naq_client::{AuditEntry, Client, Enqueue, EnqueueError, JobHandle};
use naq_core::transport::JobKey;
use naq_core::{JobId, QueueName};
use serde_json::Value;

use super::JobIdArgs;
use crate::commands::audit;
use crate::commands::enqueue::EnqueuedJob;
use crate::exit::{CliError, ExitCode};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct JobRunAgainArgs {
    #[command(flatten)]
    which: JobIdArgs,
    /// Put the new job into this queue [default: the queue of the other job]
    #[arg(long, value_name = "QUEUE")]
    to_queue: Option<QueueName>,
}

impl JobRunAgainArgs {
    pub(super) async fn run(&self, client: &Client, out: Output) -> Result<()> {
        let job = self.which.find(client).await?;
        let mut again = client.run_again(&job)?;
        if let Some(queue) = &self.to_queue {
            again = again.queue(queue);
        }
        let handle = send_again(again).await?;
        let new = JobKey::new(handle.queue().clone(), handle.id().clone());
        let scope = format!("job {} as job {new}", job.key);
        audit::record(client, out, |who| AuditEntry::new(who, "run-again", scope)).await?;
        let task = job.envelope.map(|envelope| envelope.task);
        let shown = task.as_ref().map(|task| EnqueuedJob::new(&handle, task, None));
        out.one(&shown, || handle.id().to_string())
    }
}

/// Enqueues the new job under an id that an error can name. A repeated command would make another one.
pub(crate) async fn send_again(again: Enqueue<'_, Value>) -> Result<JobHandle<Value>> {
    let id = JobId::random();
    again.id(&id).await.map_err(|err| match &err {
        EnqueueError::Transport(cause) if cause.is_transient() => {
            CliError::new(ExitCode::Unreachable, err.to_string())
                .next(format!("see whether the new job was stored: naq job show {id}"))
                .into()
        }
        _ => err.into(),
    })
}
