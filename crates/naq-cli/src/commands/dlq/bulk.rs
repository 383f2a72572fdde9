//! Requeue and purge of many dead letters. The letters that a filter selects, and those that
//! are requeued at a rate, are a batch: it has an audit entry, works page by page, and can be resumed. A
//! requeue can be undone while its jobs are not due.

use std::time::Duration;

use anyhow::Result;
use naq_client::{Batch, BatchAction, BatchItem, BatchOrder, BatchScope, Client, Preview};
use naq_core::transport::Stored;
use serde::Serialize;

use super::select::{DlqSelectionArgs, find};
use super::{DlqPurgeArgs, DlqRequeueArgs, DripRate, named};
use crate::commands::batch;
use crate::commands::confirm;
use crate::exit::{CliError, ExitCode};
use crate::operator_name::operator_name;
use crate::output::Output;
use crate::text::duration;

/// What to do with each letter.
#[derive(Debug, Clone, Copy)]
pub(super) enum DlqAction {
    Requeue,
    Purge,
}

impl DlqAction {
    /// The verb of the audit log.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Requeue => "requeue",
            Self::Purge => "purge",
        }
    }

    /// The verb in the past tense.
    pub(super) fn done_word(self) -> &'static str {
        match self {
            Self::Requeue => "requeued",
            Self::Purge => "removed",
        }
    }
}

/// The counts of a requeue or purge.
#[derive(Debug, Default, Serialize)]
pub(super) struct BulkResult {
    /// Selected letters.
    pub(super) matched: u64,
    /// Letters that were requeued or removed.
    pub(super) done: u64,
    /// Letters that another process requeued or removed meanwhile, or whose id has a live job.
    pub(super) skipped: u64,
    /// Letters that the broker refused. They are still dead letters.
    pub(super) failed: u64,
    /// Why the first of them was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_failure: Option<String>,
    pub(super) dry_run: bool,
    /// When the last requeued job is due, with a rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_due_in_ms: Option<u64>,
}

impl From<Batch> for BulkResult {
    fn from(batch: Batch) -> Self {
        Self {
            matched: batch.done + batch.skipped + batch.failed,
            done: batch.done,
            skipped: batch.skipped,
            failed: batch.failed,
            first_failure: batch.first_failure,
            ..Self::default()
        }
    }
}

impl BulkResult {
    /// The counts when nothing was changed: in a dry run, or if no letter is selected.
    fn unchanged(preview: &Preview, dry_run: bool) -> Self {
        Self { matched: preview.count, dry_run, ..Self::default() }
    }

    /// Adds when the last job is due: the first is due at once, the others follow at this rate.
    fn with_rate(mut self, rate: Option<DripRate>) -> Self {
        let last = rate.zip(self.matched.checked_sub(1)).map(|(rate, last)| rate.delay(last));
        self.last_due_in_ms = last.map(naq_core::clock::millis);
        self
    }
}

pub(super) async fn requeue(
    args: &DlqRequeueArgs,
    client: &Client,
    out: Output,
) -> Result<ExitCode> {
    let letters = find_all(&args.selection, client).await?;
    if let (true, [letter]) = (args.edit.is_given(), letters.as_slice()) {
        args.edit.run(letter, &args.reason, args.confirm.dry_run, client, out).await?;
        return Ok(ExitCode::Ok);
    }
    if args.drip.is_some() {
        return requeue_as_batch(args, &letters, client, out).await;
    }
    let action = DlqAction::Requeue;
    if args.rate.is_none() && !letters.is_empty() && !args.confirm.dry_run {
        let result = named::run(action, letters, &args.selection, &args.reason, client, out);
        return print(action, &args.selection, &result.await?, out);
    }
    let scope = scope(&args.selection, &letters);
    let preview = preview(&scope, client, out).await?;
    if args.confirm.dry_run || preview.is_empty() {
        let result = BulkResult::unchanged(&preview, args.confirm.dry_run);
        return print(action, &args.selection, &result.with_rate(args.rate), out);
    }
    if letters.is_empty() {
        confirm_requeue(args, &preview, out)?;
    }
    // Without a window to undo it, the first job is due at once.
    let order = requeue_order(args, args.rate, scope).undo_window(Duration::ZERO);
    let ran = batch::start_and_run(order, client, out).await?;
    if ran.can_be_undone(client.now()) {
        let id = &ran.id;
        out.note(format_args!(
            "batch {id}; to undo it for the jobs that are not due yet: naq batch undo {id}"
        ))?;
    }
    print(action, &args.selection, &BulkResult::from(ran).with_rate(args.rate), out)
}

/// `--drip`: prints the batch itself. No job is due while the whole batch can be undone.
async fn requeue_as_batch(
    args: &DlqRequeueArgs,
    letters: &[Stored],
    client: &Client,
    out: Output,
) -> Result<ExitCode> {
    let scope = scope(&args.selection, letters);
    let preview = client.preview_batch(&scope).await?;
    if args.confirm.dry_run || preview.is_empty() {
        out.one(&preview, || format!("would requeue {}", preview.words))?;
        return Ok(ExitCode::Ok);
    }
    confirm_requeue(args, &preview, out)?;
    let batch = batch::start_and_run(requeue_order(args, args.drip, scope), client, out).await?;
    batch::show(batch, out)
}

pub(super) async fn purge(args: &DlqPurgeArgs, client: &Client, out: Output) -> Result<ExitCode> {
    let action = DlqAction::Purge;
    let letters = find_all(&args.selection, client).await?;
    if !letters.is_empty() && !args.confirm.dry_run {
        let result = named::run(action, letters, &args.selection, &args.reason, client, out);
        return print(action, &args.selection, &result.await?, out);
    }
    let scope = scope(&args.selection, &letters);
    let preview = preview(&scope, client, out).await?;
    if args.confirm.dry_run || preview.is_empty() {
        let result = BulkResult::unchanged(&preview, args.confirm.dry_run);
        return print(action, &args.selection, &result, out);
    }
    let order = BatchOrder::new(BatchAction::PurgeDead, scope, operator_name());
    let ran = batch::start_and_run(order.reason(&args.reason), client, out).await?;
    print(action, &args.selection, &ran.into(), out)
}

/// Asks before a purge, which cannot be undone.
pub(super) fn check_purge(args: &DlqPurgeArgs, out: Output) -> Result<()> {
    args.selection.check()?;
    let question = format!("remove {} permanently?", args.selection.words());
    confirm::ask(&args.confirm, out, &question)
}

/// Asks before a requeue of many, if there is a terminal. A requeue loses nothing, so without a
/// terminal it goes ahead.
fn confirm_requeue(args: &DlqRequeueArgs, preview: &Preview, out: Output) -> Result<()> {
    if args.confirm.yes {
        return Ok(());
    }
    match out.confirm(&format!("requeue {}?", preview.words))? {
        Some(false) => Err(CliError::new(ExitCode::Failed, "not done: the answer was no").into()),
        Some(true) | None => Ok(()),
    }
}

/// The letters that the user named by id. All are looked up before the first is changed, so a wrong
/// id changes nothing.
async fn find_all(selection: &DlqSelectionArgs, client: &Client) -> Result<Vec<Stored>> {
    let queue = selection.filter.to_dead_filter().queue;
    let mut letters = Vec::with_capacity(selection.ids.len());
    for id in &selection.ids {
        letters.push(find(client, id, queue.as_ref()).await?);
    }
    Ok(letters)
}

fn scope(selection: &DlqSelectionArgs, letters: &[Stored]) -> BatchScope {
    if letters.is_empty() {
        BatchScope::Dead(selection.filter.to_dead_filter())
    } else {
        BatchScope::Letters(letters.iter().map(BatchItem::from).collect())
    }
}

fn requeue_order(args: &DlqRequeueArgs, rate: Option<DripRate>, scope: BatchScope) -> BatchOrder {
    let action = BatchAction::RequeueDead { per_second: rate.map(DripRate::per_second) };
    BatchOrder::new(action, scope, operator_name()).reason(&args.reason)
}

/// Counts the letters, and prints a note if it did not count them all.
async fn preview(scope: &BatchScope, client: &Client, out: Output) -> Result<Preview> {
    let preview = client.preview_batch(scope).await?;
    if !preview.exact {
        out.note(format_args!("there may be more than {}: the count stops early", preview.count))?;
    }
    Ok(preview)
}

fn print(
    action: DlqAction,
    selection: &DlqSelectionArgs,
    result: &BulkResult,
    out: Output,
) -> Result<ExitCode> {
    out.one(result, || words(action, selection, result))?;
    Ok(if result.failed > 0 { ExitCode::Failed } else { ExitCode::Ok })
}

fn words(action: DlqAction, selection: &DlqSelectionArgs, result: &BulkResult) -> String {
    let verb = match (action, result.dry_run) {
        (_, false) => action.done_word(),
        (DlqAction::Requeue, true) => "would requeue",
        (DlqAction::Purge, true) => "would remove",
    };
    let count = if result.dry_run { result.matched } else { result.done };
    let mut text = format!("{verb} {count}: {}", selection.words());
    if result.skipped > 0 {
        text.push_str(&format!(
            "; skipped {}: another process requeued or removed them, or their id has a live job",
            result.skipped
        ));
    }
    if let Some(first) = &result.first_failure {
        text.push_str(&format!("; {} failed, the first: {first}", result.failed));
    }
    if let Some(ms) = result.last_due_in_ms.filter(|ms| *ms > 0) {
        text.push_str(&format!("; the last is due in {}", duration(Duration::from_millis(ms))));
    }
    text
}
