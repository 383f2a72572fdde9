//! [`JobsPage`]: one page of a list of jobs, and how a transport fills it.

use serde::Serialize;

use super::query::{JobsCursor, JobsQuery, Order, SCAN};
use crate::clock::Timestamp;
use crate::failure::ErrorKind;
use crate::names::{CHORES, JobKey, TaskName};
use crate::retry::Rule;
use crate::seal::shown_text;
use crate::state::JobState;
use crate::transport::{Place, Stored};
use crate::wire::{AttemptOutcome, AttemptRecord, Envelope};

/// The most characters of an error message in a summary.
const MAX_MESSAGE: usize = 300;

/// A job in a list: the data of its message, without arguments and result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobSummary {
    /// The job.
    #[serde(rename = "job")]
    pub key: JobKey,
    /// Its state.
    pub state: JobState,
    /// Its task. `None` if the message could not be read.
    pub task: Option<TaskName>,
    /// The number of the attempt that runs or comes next, or for an ended job the last one, from 1.
    pub attempt: u32,
    /// The most attempts. `None` if the message could not be read.
    pub max_attempts: Option<u32>,
    /// When it is due, if it waits.
    pub due_at: Option<Timestamp>,
    /// When it was enqueued. `None` if the message could not be read.
    pub enqueued_at: Option<Timestamp>,
    /// When it entered its state, by the broker's clock.
    pub stored_at: Timestamp,
    /// The error kind of its last failure.
    pub error_kind: Option<ErrorKind>,
    /// The message of its last failure, at most 300 characters.
    pub message: Option<String>,
    /// What holds it back, if it waits for that and not for a time of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldBack>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The sequence of its message. Together with the place it identifies the message.
    pub seq: u64,
}

/// What holds a waiting job back, as the worker wrote it that held it back last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldBack {
    /// The rule of the gate, such as [`Rule::Breaker`].
    pub rule: Rule,
    /// The key of the breaker or of the limit, or the task or queue of the budget. `None` for other rules.
    pub by: Option<String>,
    /// Since when the same thing has held it back. `None` if an earlier version of NAQ wrote it.
    pub since: Option<Timestamp>,
    /// Why, in one sentence.
    pub reason: String,
}

impl HeldBack {
    /// What holds this job back, if its last record says so. The caller knows that the job waits.
    pub fn of(job: &Envelope) -> Option<Self> {
        let last = job.history.last()?;
        let rule = last.rule?;
        // A job whose task or key no worker knows waits for another worker.
        let waits_for_worker =
            matches!(rule, Rule::UnknownTask | Rule::Encryption | Rule::Arguments);
        let is_held = last.outcome == AttemptOutcome::HeldBack || waits_for_worker;
        is_held.then(|| Self {
            rule,
            by: last.held_by.clone(),
            since: last.held_since.or(last.ended_at),
            reason: last.reason.as_deref().map(short).unwrap_or_default(),
        })
    }
}

/// The beginning of a text, at most 300 characters.
fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl JobSummary {
    /// The summary of this message.
    pub fn of(stored: &Stored) -> Self {
        let (job, state) = match stored.place {
            Place::Queue if stored.delivered => (stored.envelope().ok(), JobState::Running),
            Place::Queue => (stored.envelope().ok(), JobState::Pending),
            Place::Schedule => {
                let job = stored.envelope().ok();
                let state = waiting_state(job.as_ref());
                (job, state)
            }
            Place::Dead => (stored.envelope().ok(), JobState::Dead),
            Place::Record => match stored.record() {
                Ok(record) => (Some(record.envelope), record.state),
                // Its place says that the job has ended.
                Err(_) => (None, JobState::Completed),
            },
        };
        let letter = (stored.place == Place::Dead).then(|| stored.dead_letter());
        let last = job.as_ref().and_then(Envelope::last_error);
        // No handler runs such a message. The worker stores it as a dead letter.
        let unreadable = stored.message.unreadable().filter(|_| letter.is_none());
        let (error_kind, message, task) = match letter {
            _ if unreadable.is_some() => (
                Some(ErrorKind::DECODE),
                unreadable.map(|why| format!("its headers or its subject cannot be read: {why}")),
                None,
            ),
            Some(letter) => (Some(letter.error_kind), Some(letter.message), letter.task),
            None => (
                last.and_then(|e| e.error_kind.clone()),
                last.and_then(|e| e.message.clone()),
                None,
            ),
        };
        let message = message.map(|text| shown_text(&text).into_owned());
        Self {
            key: stored.key.clone(),
            state,
            task: task.or_else(|| job.as_ref().map(|job| job.task.clone())),
            attempt: job.as_ref().map_or_else(|| stored.step().attempt, |job| job.attempt),
            max_attempts: job.as_ref().map(Envelope::max_attempts),
            due_at: stored.due_at,
            enqueued_at: job.as_ref().map(|job| job.enqueued_at),
            stored_at: stored.stored_at,
            error_kind,
            message: message.as_deref().map(short),
            held: job.as_ref().filter(|_| stored.place == Place::Schedule).and_then(HeldBack::of),
            tags: job.map(|job| job.tags).unwrap_or_default(),
            seq: stored.seq,
        }
    }
}

/// The state of a job whose message is in [`Place::Schedule`]: blocked, scheduled or retrying.
pub fn waiting_state(job: Option<&Envelope>) -> JobState {
    // A record that the job was held back is not an attempt.
    let is_attempt = |entry: &&AttemptRecord| entry.outcome != AttemptOutcome::HeldBack;
    let last = job.and_then(|job| job.history.iter().rfind(is_attempt));
    let is_new = last.is_none_or(|entry| entry.outcome == AttemptOutcome::Requeued);
    match job {
        Some(job) if job.is_blocked() => JobState::Blocked,
        _ if is_new => JobState::Scheduled,
        _ => JobState::Retrying,
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct JobsPage {
    /// The jobs, in the order of the query.
    pub jobs: Vec<JobSummary>,
    /// How many messages the transport read for the page.
    pub scanned: usize,
    /// How many of them are left out, because their subjects name no job.
    #[serde(skip_serializing_if = "is_zero")]
    pub skipped: usize,
    /// Where the next page begins. `None` after the last page. An empty page may have a next page.
    pub next: Option<JobsCursor>,
}

/// Builds a page. A transport gives it one message after the other, in the order of the query, until the
/// page is full or no later message can fit.
#[derive(Debug)]
pub struct Scan<'a> {
    query: &'a JobsQuery,
    page: JobsPage,
}

/// A message that was read for a page.
#[derive(Debug)]
pub struct Looked {
    /// Its sequence.
    pub seq: u64,
    stored_at: Timestamp,
    job: Option<JobSummary>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl<'a> Scan<'a> {
    /// An empty page.
    pub fn new(query: &'a JobsQuery) -> Self {
        Self { query, page: JobsPage::default() }
    }

    /// Reads a message. The caller can drop the message afterwards.
    pub fn look(&self, stored: &Stored) -> Looked {
        let job = JobSummary::of(stored);
        let job = Some(job).filter(|job| fits(self.query, job));
        Looked { seq: stored.seq, stored_at: stored.stored_at, job }
    }

    /// A message was left out, because its subject names no job.
    pub fn skip(&mut self) {
        self.page.skipped += 1;
    }

    /// Adds the next message. Returns false if no later message can fit.
    pub fn take(&mut self, looked: Looked) -> bool {
        let JobsQuery { since, until, order, .. } = self.query;
        let is_past_the_end = match order {
            Order::NewestFirst => since.is_some_and(|since| looked.stored_at < since),
            Order::OldestFirst => until.is_some_and(|until| looked.stored_at >= until),
        };
        self.page.scanned += 1;
        self.page.jobs.extend(looked.job);
        !is_past_the_end
    }

    /// Whether the page has as many jobs as it may have, or has read as many messages as it may read.
    pub fn is_full(&self) -> bool {
        self.page.jobs.len() >= self.query.page() || self.page.scanned >= SCAN
    }

    /// How many messages the transport should read next.
    pub fn room(&self) -> usize {
        let room = self.query.page().saturating_sub(self.page.jobs.len()).max(1);
        // If a query filters out most messages, many small requests cost more than a large one.
        let ask = if self.query.is_plain() { room } else { room.max(SCAN / 4) };
        ask.min(SCAN.saturating_sub(self.page.scanned).max(1))
    }

    /// The page. `next` says where the next one begins.
    pub fn finish(self, next: Option<JobsCursor>) -> JobsPage {
        JobsPage { next, ..self.page }
    }
}

/// Whether the query asks for the job.
fn fits(query: &JobsQuery, job: &JobSummary) -> bool {
    let has_kind = |kind: &ErrorKind| job.error_kind.as_ref().is_some_and(|own| own.is(kind));
    query.state.is_none_or(|state| state == job.state)
        && match &query.queue {
            Some(queue) => *queue == job.key.queue,
            // Chores are listed only if their queue is named.
            None => job.key.queue.as_str() != CHORES,
        }
        && query.task.as_ref().is_none_or(|task| job.task.as_ref() == Some(task))
        && query.error_kind.as_ref().is_none_or(has_kind)
        && query.tag.as_ref().is_none_or(|tag| job.tags.contains(tag))
        && query.id_prefix.as_ref().is_none_or(|id| job.key.id.as_str().starts_with(id))
        && query.since.is_none_or(|since| job.stored_at >= since)
        && query.until.is_none_or(|until| job.stored_at < until)
}
