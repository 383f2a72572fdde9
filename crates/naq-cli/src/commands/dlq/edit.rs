//! `naq dlq requeue --edit`: a changed copy of a dead job. The letter stays, so nothing is lost if the
//! copy fails, too.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;
use naq_client::{AuditEntry, Client, JobReport, JobView};
use naq_core::transport::{JobKey, Stored};
use naq_core::{JobId, QueueName, RetryPolicy, TaskName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::commands::audit;
use crate::commands::enqueue::EnqueuedJob;
use crate::commands::job::send_again;
use crate::exit::CliError;
use crate::output::Output;

#[derive(Debug, Args)]
#[group(id = "dlq_edit", multiple = true, conflicts_with_all = ["rate", "drip"])]
#[command(next_help_heading = "A changed copy of one job; its dead letter stays")]
pub(crate) struct DlqEditArgs {
    /// Open task, queue, policy and arguments in $VISUAL or $EDITOR, and enqueue what you save
    #[arg(long)]
    edit: bool,
    /// Enqueue a copy with these arguments
    #[arg(long, value_name = "JSON", value_parser = parse_json)]
    new_args: Option<Value>,
    /// Enqueue a copy as this task
    #[arg(long, value_name = "TASK")]
    new_task: Option<TaskName>,
    /// Enqueue a copy in this queue
    #[arg(long, value_name = "QUEUE")]
    new_queue: Option<QueueName>,
    /// Enqueue a copy with this retry policy, such as exponential:2s,max_retries=5
    #[arg(long, value_name = "POLICY")]
    new_policy: Option<RetryPolicy>,
}

fn parse_json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|err| format!("not JSON: {err}"))
}

/// What an editor may change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobDraft {
    task: TaskName,
    queue: QueueName,
    policy: String,
    /// `None` if JSON cannot express them. Then the copy has the old ones.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    args: Option<Value>,
}

/// Reads a field that is there, `null` included.
fn given<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

impl JobDraft {
    fn of(job: &JobReport) -> Result<Self> {
        let Some(envelope) = &job.envelope else {
            return Err(CliError::not_found(format!("job {} cannot be read as a job", job.key))
                .next("requeue it as it is, without an edit")
                .into());
        };
        let args = JobView::from(job).args;
        Ok(Self {
            task: envelope.task.clone(),
            queue: envelope.queue.clone(),
            policy: envelope.policy.to_string(),
            args: args.map(|args| serde_json::from_str(args.get())).transpose()?,
        })
    }

    fn policy(&self) -> Result<RetryPolicy, CliError> {
        let policy = self.policy.parse();
        policy.map_err(|err| CliError::usage(format!("policy {:?}: {err}", self.policy)))
    }
}

impl DlqEditArgs {
    pub(super) fn is_given(&self) -> bool {
        let Self { edit, new_args, new_task, new_queue, new_policy } = self;
        *edit
            || new_args.is_some()
            || new_task.is_some()
            || new_queue.is_some()
            || new_policy.is_some()
    }

    /// Refuses an edit of more than one letter.
    pub(super) fn check(&self, ids: usize) -> Result<(), CliError> {
        if self.is_given() && ids != 1 {
            return Err(CliError::usage("only one dead letter can be edited")
                .next("give its id, without --all, --error-kind or --task"));
        }
        Ok(())
    }

    /// Enqueues the changed copy.
    pub(super) async fn run(
        &self,
        letter: &Stored,
        reason: &str,
        dry_run: bool,
        client: &Client,
        out: Output,
    ) -> Result<()> {
        let job = client.report(&letter.key).await?;
        // Before the editor opens: an error after it would lose what the user wrote.
        let mut copy = client.run_again(&job)?;
        let before = JobDraft::of(&job)?;
        let after = self.changed(before.clone())?;
        let policy = after.policy()?;
        if dry_run {
            return out.one(&after, || format!("would enqueue {}", pretty(&after)));
        }
        if after == before {
            return out.note("nothing was changed, so nothing is enqueued");
        }
        copy = copy.queue(&after.queue).task(&after.task)?;
        if after.policy != before.policy {
            copy = copy.policy(policy);
        }
        if let Some(args) = after.args.as_ref().filter(|_| after.args != before.args) {
            copy = copy.args(args);
        }
        let handle = send_again(copy).await?;
        let old = &letter.key;
        let new = JobKey::new(handle.queue().clone(), handle.id().clone());
        let scope = format!("dead letter {old} as job {new}");
        let entry = |who: &str| AuditEntry::new(who, "requeue-edited", scope).reason(reason);
        audit::record(client, out, entry).await?;
        let shown = EnqueuedJob::new(&handle, &after.task, None);
        out.one(&shown, || handle.id().to_string())?;
        out.note(format_args!(
            "the dead letter stays; after the new job has completed: naq dlq purge {old} --yes"
        ))
    }

    fn changed(&self, mut draft: JobDraft) -> Result<JobDraft> {
        if let Some(args) = &self.new_args {
            draft.args = Some(args.clone());
        }
        if let Some(task) = &self.new_task {
            draft.task = task.clone();
        }
        if let Some(queue) = &self.new_queue {
            draft.queue = queue.clone();
        }
        if let Some(policy) = &self.new_policy {
            draft.policy = policy.to_string();
        }
        if self.edit { edited(&draft) } else { Ok(draft) }
    }
}

fn pretty(draft: &JobDraft) -> String {
    serde_json::to_string_pretty(draft).unwrap_or_default()
}

/// What the user saved in the editor. The file is deleted, because arguments may be secret.
fn edited(draft: &JobDraft) -> Result<JobDraft> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).ok_or_else(|| {
        CliError::usage("neither VISUAL nor EDITOR names an editor")
            .next("set EDITOR, or use --new-args, --new-task, --new-queue or --new-policy")
    })?;
    let path = std::env::temp_dir().join(format!("naq-{}.json", JobId::random()));
    let saved = open_editor(&editor, &path, draft);
    let _ = fs::remove_file(&path);
    serde_json::from_str(&saved?)
        .map_err(|err| CliError::usage(format!("what you saved is not such a job: {err}")).into())
}

fn open_editor(editor: &str, path: &Path, draft: &JobDraft) -> Result<String> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || options.open(path)?.write_all(pretty(draft).as_bytes());
    write().with_context(|| format!("cannot write {}", path.display()))?;
    // The variable may have options, such as `code --wait`.
    let line = format!("{editor} \"$0\"");
    let status = Command::new("sh").arg("-c").arg(line).arg(path).status();
    let status = status.context("cannot start a shell for the editor")?;
    if !status.success() {
        return Err(CliError::usage(format!("the editor ended with {status}")).into());
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
