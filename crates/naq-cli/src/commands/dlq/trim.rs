//! `naq dlq trim`: keeps the dead letters of each queue within limits. What goes is archived first, or dropped
//! because the user says so.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{ArgGroup, Args};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use naq_client::{AuditEntry, Client};
use naq_core::names::CHORES;
use naq_core::transport::{Stored, TransportError};
use naq_core::{QueueName, Timestamp};
use serde::Serialize;

use super::archive::Archive;
use super::dead_limits::{DeadLimits, LettersLeft};
use crate::commands::audit;
use crate::commands::confirm::{self, Confirm};
use crate::exit::ExitCode;
use crate::output::Output;
use crate::text::{ByteSize, count, parse_bytes, parse_duration};

/// Letters in one request to the broker.
const PAGE: usize = 256;
/// Letters that are removed at once.
const AT_ONCE: usize = 32;

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("limit").required(true).multiple(true),
    group = ArgGroup::new("what").required(true),
)]
pub(crate) struct DlqTrimArgs {
    /// Only this queue [default: each queue, by the same limits]
    #[arg(short, long)]
    queue: Option<QueueName>,
    /// Letters that are older than this go
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, group = "limit")]
    max_age: Option<Duration>,
    /// The oldest letters of the queue go until this many are left
    #[arg(long, value_name = "N", group = "limit")]
    max_count: Option<u64>,
    /// The oldest letters of the queue go until they have this many bytes, such as 500MB
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, group = "limit")]
    max_bytes: Option<ByteSize>,
    /// Append what goes to this file first; naq enqueue --file reads it
    #[arg(long, value_name = "FILE", group = "what")]
    archive: Option<PathBuf>,
    /// Keep no copy of what goes
    #[arg(long, group = "what")]
    drop: bool,
    /// The reason, for the audit log
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    confirm: Confirm,
}

/// What a trim does, or would do.
#[derive(Debug, Default, Serialize)]
struct TrimResult {
    /// Letters that went, or would go.
    trimmed: u64,
    /// Letters that are left.
    left: u64,
    /// Letters that another process requeued or removed meanwhile. They may be in the archive.
    skipped: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<PathBuf>,
    dry_run: bool,
}

impl DlqTrimArgs {
    fn limits(&self) -> DeadLimits {
        DeadLimits {
            max_age: self.max_age,
            max_count: self.max_count,
            max_bytes: self.max_bytes.map(|size| size.0),
        }
    }

    pub(super) async fn run(&self, client: &Client, out: Output) -> Result<ExitCode> {
        let now = client.broker_now().await?;
        let mut queues = Vec::new();
        let (mut goes, mut left) = (0, 0);
        for queue in self.queues(client).await? {
            let all = all_letters(&queue, client).await?;
            let excess = excess(&queue, self.limits(), all, now, client).await?;
            goes += excess;
            left += all.count - excess;
            if excess > 0 {
                queues.push((queue, excess));
            }
        }
        let archive = self.archive.clone();
        let mut result =
            TrimResult { trimmed: goes, left, archive, dry_run: self.confirm.dry_run, skipped: 0 };
        if self.confirm.dry_run || goes == 0 {
            out.one(&result, || result.words())?;
            return Ok(ExitCode::Ok);
        }
        confirm::ask(&self.confirm, out, &self.question(goes))?;
        let mut archive = self.archive.as_deref().map(Archive::open).transpose()?;
        result.trimmed = 0;
        for (queue, excess) in queues {
            let (trimmed, skipped) = trim(&queue, excess, archive.as_mut(), client).await?;
            result.trimmed += trimmed;
            result.skipped += skipped;
            let scope = format!("the oldest dead letters of queue {queue}");
            let entry = |who: &str| AuditEntry::new(who, "trim", scope).count(trimmed);
            audit::record(client, out, |who| entry(who).reason(&self.reason)).await?;
        }
        out.one(&result, || result.words())?;
        Ok(ExitCode::Ok)
    }

    async fn queues(&self, client: &Client) -> Result<Vec<QueueName>, TransportError> {
        if let Some(queue) = &self.queue {
            return Ok(vec![queue.clone()]);
        }
        let mut queues = client.transport().queues().await?;
        queues.retain(|queue| queue.as_str() != CHORES);
        Ok(queues)
    }

    fn question(&self, goes: u64) -> String {
        let letters = count(goes, "dead letter");
        match &self.archive {
            Some(file) => format!("append {letters} to {}, and remove them?", file.display()),
            None => format!("remove {letters} permanently, without a copy?"),
        }
    }
}

impl TrimResult {
    fn words(&self) -> String {
        let verb = if self.dry_run { "would remove" } else { "removed" };
        let archived = match &self.archive {
            Some(file) if self.trimmed > 0 && !self.dry_run => {
                format!(", which are in {}", file.display())
            }
            _ => String::new(),
        };
        let skipped = match self.skipped {
            0 => String::new(),
            n => format!("; skipped {n}: another process requeued or removed them"),
        };
        let removed = count(self.trimmed, "dead letter");
        format!("{verb} {removed}{archived}; {} left{skipped}", count(self.left, "letter"))
    }
}

/// The number and the size of all letters of the queue.
async fn all_letters(queue: &QueueName, client: &Client) -> Result<LettersLeft, TransportError> {
    let (mut all, mut next) = (LettersLeft::default(), Some(0));
    while let Some(from) = next {
        let page = client.transport().dead_letters(Some(queue), from, PAGE).await?;
        page.letters.iter().for_each(|letter| all.add(letter.message.size()));
        next = page.next;
    }
    Ok(all)
}

/// How many of the oldest letters have to go.
async fn excess(
    queue: &QueueName,
    limits: DeadLimits,
    all: LettersLeft,
    now: Timestamp,
    client: &Client,
) -> Result<u64, TransportError> {
    let (mut left, mut next) = (all, Some(0));
    while let Some(from) = next {
        let page = client.transport().dead_letters(Some(queue), from, PAGE).await?;
        for letter in &page.letters {
            if !limits.are_exceeded(&left, letter.stored_at, now) {
                return Ok(all.count - left.count);
            }
            left.remove(letter.message.size());
        }
        next = page.next;
    }
    Ok(all.count - left.count)
}

/// Removes the `excess` oldest letters of the queue, and says how many it removed and skipped. A letter is
/// in the archive before it is removed.
async fn trim(
    queue: &QueueName,
    mut excess: u64,
    mut archive: Option<&mut Archive>,
    client: &Client,
) -> Result<(u64, u64)> {
    let (mut trimmed, mut skipped, mut next) = (0, 0, Some(0));
    while let Some(from) = next.filter(|_| excess > 0) {
        let page = client.transport().dead_letters(Some(queue), from, PAGE).await?;
        let mut letters = page.letters;
        letters.truncate(usize::try_from(excess).unwrap_or(usize::MAX));
        excess -= letters.len() as u64;
        next = page.next;
        if let Some(archive) = &mut archive {
            archive.append(&letters, client).await?;
        }
        let removed: Vec<bool> = stream::iter(&letters)
            .map(|letter: &Stored| client.purge_dead(letter))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let done = removed.iter().filter(|removed| **removed).count() as u64;
        trimmed += done;
        skipped += removed.len() as u64 - done;
    }
    Ok((trimmed, skipped))
}
