//! Requeue and purge of dead letters that the user names by id, one by one. An error of one is
//! the error of the command, because the user asked for exactly this letter. The others are done.

use anyhow::Result;
use futures_util::stream::{self, StreamExt};
use naq_client::{AuditEntry, Client, ClientError};
use naq_core::transport::{Receipt, Stored};

use super::bulk::{BulkResult, DlqAction};
use super::select::DlqSelectionArgs;
use crate::commands::audit;
use crate::output::Output;

/// Letters that are worked on at once.
const AT_ONCE: usize = 32;

/// Applies `action` to the letters, and records it in the audit log.
pub(super) async fn run(
    action: DlqAction,
    letters: Vec<Stored>,
    selection: &DlqSelectionArgs,
    reason: &str,
    client: &Client,
    out: Output,
) -> Result<BulkResult> {
    let mut result = BulkResult { matched: letters.len() as u64, ..BulkResult::default() };
    let mut answers = stream::iter(&letters)
        .map(async |letter| match action {
            DlqAction::Requeue => {
                client.requeue(letter, None).await.map(|receipt| receipt != Receipt::Duplicate)
            }
            DlqAction::Purge => Ok(client.purge_dead(letter).await?),
        })
        .buffer_unordered(AT_ONCE);
    // What is under way is finished after an error, too: it would be done only half.
    let mut failed: Option<ClientError> = None;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(true) => result.done += 1,
            Ok(false) => result.skipped += 1,
            Err(err) => failed = failed.or(Some(err)),
        }
    }
    if result.done > 0 {
        let entry = |who: &str| AuditEntry::new(who, action.verb(), selection.words());
        audit::record(client, out, |who| entry(who).count(result.done).reason(reason)).await?;
    }
    match failed {
        None => Ok(result),
        Some(err) => Err(anyhow::Error::from(err).context(format!(
            "{} of {} dead letters {}; the others stay",
            result.done,
            result.matched,
            action.done_word(),
        ))),
    }
}
