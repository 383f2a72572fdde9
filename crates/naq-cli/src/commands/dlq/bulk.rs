//! Requeue and purge, of one letter or of very many: page by page, never all in memory.

use anyhow::Result;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use naq_client::{AuditEntry, Client, ClientError};
use naq_core::transport::{Receipt, Stored, TransportError};
use naq_core::{Clock, SystemClock, Timestamp};
use serde::Serialize;

use super::rate::Rate;
use super::select::{Selection, find};
use super::{PAGE, PurgeArgs, RequeueArgs};
use crate::commands::audit;
use crate::commands::confirm::{self, Confirm};
use crate::exit::{Exit, Problem};
use crate::output::Output;
use crate::progress::Progress;
use crate::text::duration;

/// Letters that are worked on at once.
const AT_ONCE: usize = 32;

/// Nothing is lost by a requeue, so only many at once are asked about, and only where somebody is.
pub(super) fn check_requeue(args: &RequeueArgs, out: Output) -> Result<()> {
    args.selection.check()?;
    let many = args.selection.ids.is_empty();
    // A batch is asked about when it is known how many it has.
    if args.drip.is_some() || !many || args.confirm.yes || args.confirm.dry_run {
        return Ok(());
    }
    match out.confirm(&format!("requeue {}?", args.selection.words()))? {
        Some(false) => Err(Problem::new(Exit::Failed, "not done: the answer was no").into()),
        Some(true) | None => Ok(()),
    }
}

pub(super) fn check_purge(args: &PurgeArgs, out: Output) -> Result<()> {
    args.selection.check()?;
    let question = format!("remove {} for good?", args.selection.words());
    confirm::ask(&args.confirm, out, &question)
}

/// What to do with each letter.
#[derive(Clone, Copy)]
enum Verb {
    Requeue(Option<Rate>),
    Purge,
}

/// What was done.
#[derive(Default, Serialize)]
struct Done {
    /// Letters that were meant.
    matched: u64,
    /// Those that were requeued or removed.
    done: u64,
    /// Those that somebody else had dealt with meanwhile, or whose id has a job on its way.
    skipped: u64,
    /// Those that the broker did not take; they are dead letters still.
    failed: u64,
    /// Why the first of them was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_failure: Option<String>,
    dry_run: bool,
    /// When the last of the requeued is due, with a rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_due_in_ms: Option<u64>,
}

pub(super) async fn requeue(args: &RequeueArgs, client: &Client, out: Output) -> Result<Exit> {
    let verb = Verb::Requeue(args.rate);
    run(verb, &args.selection, args.confirm, &args.reason, client, out).await
}

pub(super) async fn purge(args: &PurgeArgs, client: &Client, out: Output) -> Result<Exit> {
    run(Verb::Purge, &args.selection, args.confirm, &args.reason, client, out).await
}

async fn run(
    verb: Verb,
    selection: &Selection,
    confirm: Confirm,
    reason: &str,
    client: &Client,
    out: Output,
) -> Result<Exit> {
    let mut done = Done { dry_run: confirm.dry_run, ..Done::default() };
    let progress = Progress::new(match verb {
        Verb::Requeue(_) => "requeued",
        Verb::Purge => "removed",
    });
    if selection.ids.is_empty() {
        all_pages(verb, selection, client, &mut done, &progress).await?;
    } else {
        // All are looked up before the first is touched: a wrong id changes nothing.
        let mut letters = Vec::new();
        for id in &selection.ids {
            letters.push(find(client, id, selection.filter.to_dead_filter().queue.as_ref()).await?);
        }
        page(verb, letters, false, client, &mut done, &progress).await?;
    }
    progress.finish();
    if !done.dry_run && done.done > 0 {
        let what = if matches!(verb, Verb::Purge) { "purge" } else { "requeue" };
        let entry = |who: &str| AuditEntry::new(who, what, selection.words());
        audit::record(client, out, |who| entry(who).count(done.done).reason(reason)).await?;
    }
    out.one(&done, || words(verb, selection, &done))?;
    Ok(if done.failed > 0 { Exit::Failed } else { Exit::Ok })
}

async fn all_pages(
    verb: Verb,
    selection: &Selection,
    client: &Client,
    done: &mut Done,
    progress: &Progress,
) -> Result<()> {
    let filter = selection.filter.to_dead_filter();
    let begun = broker_now(client).await?;
    let mut next = Some(0);
    while let Some(from) = next {
        let mut found = client.dead_letters(&filter, from, PAGE).await?;
        // What dies again while this runs is not meant: there would be no end to it.
        let before = found.letters.len();
        found.letters.retain(|letter| letter.stored_at <= begun);
        next = found.next.filter(|_| found.letters.len() == before);
        page(verb, found.letters, true, client, done, progress).await?;
    }
    Ok(())
}

/// The time by the broker's clock, which letters are stamped with.
async fn broker_now(client: &Client) -> Result<Timestamp> {
    let ahead = client.transport().broker().await?.clock_ahead_ms;
    let now = SystemClock.now().as_millis();
    Ok(Timestamp::from_millis(now.saturating_add_signed(ahead)))
}

async fn page(
    verb: Verb,
    letters: Vec<Stored>,
    by_scope: bool,
    client: &Client,
    done: &mut Done,
    progress: &Progress,
) -> Result<()> {
    let first = done.matched;
    done.matched += letters.len() as u64;
    if let (Verb::Requeue(Some(rate)), true) = (verb, done.matched > 0) {
        let last = rate.delay(done.matched - 1);
        done.last_due_in_ms = Some(u64::try_from(last.as_millis()).unwrap_or(u64::MAX));
    }
    if done.dry_run {
        return Ok(());
    }
    let mut work = stream::iter((first..).zip(letters))
        .map(async |(number, letter)| match one(verb, number, &letter, client).await {
            // One that cannot be requeued now holds up none of the others.
            Err(ClientError::State { .. } | ClientError::Unique { .. }) if by_scope => {
                Ok(Ok(false))
            }
            Err(ClientError::Transport(err)) if concerns_all(&err) => Err(err.into()),
            Err(err) if by_scope => Ok(Err(format!("{}: {err}", letter.key))),
            done => done.map(Ok).map_err(anyhow::Error::from),
        })
        .buffer_unordered(AT_ONCE);
    while let Some(outcome) = work.try_next().await? {
        match outcome {
            Ok(true) => done.done += 1,
            Ok(false) => done.skipped += 1,
            Err(failure) => {
                done.failed += 1;
                done.first_failure.get_or_insert(failure);
            }
        }
        progress.step();
    }
    Ok(())
}

/// Whether the next letter would fare no better.
fn concerns_all(err: &TransportError) -> bool {
    let refused = matches!(err, TransportError::Auth(_) | TransportError::Permission { .. });
    err.is_transient() || refused
}

async fn one(
    verb: Verb,
    number: u64,
    letter: &Stored,
    client: &Client,
) -> Result<bool, ClientError> {
    match verb {
        Verb::Requeue(rate) => {
            let delay = rate.map(|rate| rate.delay(number)).filter(|delay| !delay.is_zero());
            let receipt = client.requeue(letter, delay).await?;
            Ok(receipt != Receipt::Duplicate)
        }
        Verb::Purge => Ok(client.purge_dead(letter).await?),
    }
}

fn words(verb: Verb, selection: &Selection, done: &Done) -> String {
    let verb = match (verb, done.dry_run) {
        (Verb::Requeue(_), false) => "requeued",
        (Verb::Requeue(_), true) => "would requeue",
        (Verb::Purge, false) => "removed",
        (Verb::Purge, true) => "would remove",
    };
    let count = if done.dry_run { done.matched } else { done.done };
    let mut text = format!("{verb} {count}: {}", selection.words());
    if done.skipped > 0 {
        text.push_str(&format!(
            "; {} were dealt with by somebody else, or have a job of their id on its way",
            done.skipped
        ));
    }
    if let Some(first) = &done.first_failure {
        text.push_str(&format!("; {} were not taken, the first: {first}", done.failed));
    }
    if let Some(ms) = done.last_due_in_ms.filter(|ms| *ms > 0) {
        text.push_str(&format!(
            "; the last is due in {}",
            duration(std::time::Duration::from_millis(ms))
        ));
    }
    text
}
