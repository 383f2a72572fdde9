//! [`layout`]: a job's life as rows. Pure: history, policy and the time in, rows out.

use std::time::Duration;

use naq_client::JobReport;
use naq_core::wire::AttemptOutcome;
use naq_core::{AttemptRecord, Envelope, JobState, RetryPolicy, Timestamp};

use super::future;
use super::row::{Kind, Look, Row};
use crate::view::{clean, span};

/// A retry may start this much after its time and still be on time: the broker's tick, and a moment.
const ON_TIME: Duration = Duration::from_millis(350);
/// A due time that differs by less from the planned one is the same.
const SAME: Duration = Duration::from_millis(1_000);

/// What the rows are made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Story<'a> {
    pub(crate) job: &'a Envelope,
    pub(crate) state: JobState,
    /// When it runs, if it waits.
    pub(crate) due_at: Option<Timestamp>,
    /// Since when its message stands where it does.
    pub(crate) stored_at: Timestamp,
    /// How many jobs it waits for.
    pub(crate) blockers: usize,
    pub(crate) now: Timestamp,
}

impl<'a> Story<'a> {
    /// None for a message that is no job.
    pub(crate) fn of(report: &'a JobReport, now: Timestamp) -> Option<Self> {
        Some(Self {
            job: report.envelope.as_ref()?,
            state: report.state,
            due_at: report.due_at,
            stored_at: report.stored.stored_at,
            blockers: report.waits_for.len(),
            now,
        })
    }

    pub(super) fn policy(&self) -> &'a RetryPolicy {
        &self.job.policy
    }

    pub(super) fn title(&self, attempt: u32) -> String {
        format!("Attempt {attempt} of {}", self.job.max_attempts())
    }
}

/// Where the story has come to.
struct Told {
    rows: Vec<Row>,
    /// What comes next can begin from here on.
    since: Timestamp,
    /// When the decision before said that it would.
    planned: Option<Timestamp>,
    /// Which life of the job, from 1.
    life: u32,
    /// The attempt that the last record of this life was of.
    attempt: u32,
}

/// All rows: what was, what is, and what comes if it fails again.
pub(crate) fn layout(story: &Story<'_>) -> Vec<Row> {
    let mut told =
        Told { rows: Vec::new(), since: story.job.enqueued_at, planned: None, life: 1, attempt: 0 };
    let history = &story.job.history;
    for (at, record) in history.iter().enumerate() {
        let next = history[at + 1..].iter().find_map(|next| next.started_at.or(next.ended_at));
        told.record(story, record, next);
    }
    if !story.state.is_final() {
        told.present(story);
        let last = told.rows.last().and_then(|row| row.mark);
        let from = last.unwrap_or(story.now).max(story.now);
        told.rows.extend(future::rows(story, from));
    }
    told.rows
}

impl Told {
    fn record(&mut self, story: &Story<'_>, record: &AttemptRecord, next: Option<Timestamp>) {
        if record.outcome == AttemptOutcome::Requeued {
            return self.requeued(record);
        }
        if record.attempt > self.attempt.saturating_add(1) {
            self.dropped(record.attempt);
        }
        self.attempt = record.attempt;
        let id = format!("attempt-{}-{}", self.life, self.rows.len());
        let kind = Kind::Was(record.outcome);
        let mut row = Row::new(id, kind, story.title(record.attempt));
        let end = record.ended_at.unwrap_or(self.since);
        match record.started_at {
            Some(start) => {
                self.wait(&mut row, record.due_at, start);
                row.bar(Look::Run(record.outcome), start, end);
                row.started_at = Some(start);
                row.ran = ran(end.since(start));
            }
            None if record.outcome == AttemptOutcome::Crashed => {
                let until = next.unwrap_or(story.now);
                self.crash(&mut row, record.due_at, until);
                row.mark = Some(until);
                row.ran = "not known: the worker told nobody".into();
            }
            None => {
                self.wait(&mut row, record.due_at, end);
                row.mark = Some(end);
                row.ran = "not at all".into();
            }
        }
        row.worker = record.worker.clone();
        row.error = record.error_kind.clone().map(|kind| {
            let message = record.message.as_deref().unwrap_or_default();
            (kind, clean(message))
        });
        row.rule = record.rule;
        row.reason = record.reason.as_deref().map(clean).unwrap_or_default();
        if record.outcome == AttemptOutcome::Crashed && row.reason.is_empty() {
            row.reason = format!(
                "the job comes back, which counts as no attempt but as one of {} crashes",
                story.policy().max_crashes()
            );
        }
        if record.outcome != AttemptOutcome::Crashed {
            self.since = end;
            self.planned = record.delay_ms.map(|ms| end + Duration::from_millis(ms));
        } else {
            self.since = next.unwrap_or(story.now);
            self.planned = None;
        }
        self.rows.push(row);
    }

    /// The wait before `start`, planned against actual.
    fn wait(&mut self, row: &mut Row, due_at: Option<Timestamp>, start: Timestamp) {
        // What an operator moved is due when the message says, not when it was decided.
        let Some(due) = due_at.or(self.planned).filter(|due| *due > self.since) else {
            row.bar(Look::Queued, self.since, start);
            let waited = Some(start.since(self.since)).filter(|waited| !waited.is_zero());
            row.waited = waited.map(|w| format!("{} for a slot", span(w))).unwrap_or_default();
            return;
        };
        let (wait, late) = (due.since(self.since), start.since(due));
        row.bar(Look::Planned, self.since, due.min(start));
        row.bar(Look::Late, due, start);
        row.late = late > ON_TIME;
        row.waited = match () {
            () if start < due => {
                let early = due.since(start);
                let waited = start.since(self.since);
                format!("{}, {} before its time: released by hand", span(waited), span(early))
            }
            () if row.late => format!("{} as planned, then {} late", span(wait), span(late)),
            () if late.is_zero() => format!("{} as planned", span(wait)),
            () => format!("{} as planned, started on time (+{})", span(wait), span(late)),
        };
        if let Some(planned) = self.planned.filter(|p| p.since(due).max(due.since(*p)) > SAME) {
            let first = planned.since(self.since);
            row.waited.push_str(&format!("; moved by hand, {} were decided", span(first)));
        }
    }

    /// It began when it was due, and nobody knows when it died.
    fn crash(&mut self, row: &mut Row, due_at: Option<Timestamp>, until: Timestamp) {
        let due = due_at.or(self.planned).filter(|due| *due > self.since && *due < until);
        let begin = due.unwrap_or(self.since);
        row.bar(Look::Planned, self.since, begin);
        row.bar(Look::Lost, begin, until);
        row.waited = match due {
            Some(due) => format!("{} as planned", span(due.since(self.since))),
            None => String::new(),
        };
    }

    fn requeued(&mut self, record: &AttemptRecord) {
        let at = record.ended_at.unwrap_or(self.since);
        let id = format!("requeued-{}", self.life);
        let kind = Kind::Was(AttemptOutcome::Requeued);
        let mut row = Row::new(id, kind, "Requeued".into());
        row.mark = Some(at);
        row.reason = "an operator gave the job another life: attempts begin again from 1".into();
        self.rows.push(row);
        (self.since, self.planned, self.attempt) = (at, None, 0);
        self.life += 1;
    }

    fn dropped(&mut self, next: u32) {
        let first = self.attempt + 1;
        let title = match next - 1 {
            last if last == first => format!("Attempt {first}"),
            last => format!("Attempts {first} to {last}"),
        };
        let id = format!("dropped-{}-{first}", self.life);
        let mut row = Row::new(id, Kind::Dropped, title);
        row.reason = "these records were given up, so that the job stays small".into();
        self.rows.push(row);
    }

    /// The attempt that waits or runs now.
    fn present(&mut self, story: &Story<'_>) {
        let (job, now) = (story.job, story.now);
        if job.attempt > self.attempt.saturating_add(1) {
            self.dropped(job.attempt);
        }
        let runs = story.state == JobState::Running;
        let kind = if runs { Kind::Runs } else { Kind::Waits };
        let mut row = Row::new(format!("now-{}", self.life), kind, story.title(job.attempt));
        match (story.state, story.due_at.or(job.due_at)) {
            (JobState::Running, due) => {
                let begin = story.stored_at.max(self.since).min(now);
                self.wait(&mut row, due.filter(|due| *due <= now), begin);
                row.bar(Look::Running, begin, now);
                row.mark = Some(now);
                row.ran = format!("{} so far at most", span(now.since(begin)));
                row.reason = "a worker has it: it writes down what happened when it ends".into();
            }
            (JobState::Scheduled | JobState::Retrying, Some(due)) if due > now => {
                row.bar(Look::Planned, self.since, due);
                row.mark = Some(due);
                row.waited = format!("{} as planned", span(due.since(self.since)));
                row.reason = "waits for its time, and holds no slot meanwhile".into();
            }
            (JobState::Blocked, _) => {
                row.bar(Look::Queued, self.since, now);
                row.mark = Some(now);
                row.waited = format!("{} so far", span(now.since(self.since)));
                row.reason = match story.blockers {
                    1 => "waits for another job to end".into(),
                    n => format!("waits for {n} jobs to end"),
                };
            }
            (_, due) => {
                let due = due.filter(|due| *due <= now);
                self.wait(&mut row, due, now);
                row.mark = Some(now);
                row.reason = "waits for a free slot of a worker".into();
            }
        }
        self.rows.push(row);
    }
}

pub(super) fn ran(took: Duration) -> String {
    if took.is_zero() { "less than 1 ms".into() } else { span(took) }
}

#[cfg(test)]
mod tests;
