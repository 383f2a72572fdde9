//! [`layout`]: a job's history, its current attempt and its planned attempts as rows. It reads nothing but
//! the timeline.

use std::time::Duration;

use naq_core::wire::AttemptOutcome;
use naq_core::{AttemptRecord, JobState, Timestamp};

use super::future;
use super::row::{BarKind, RowKind, TimelineRow};
use super::timeline::JobTimeline;
use crate::view::{clean, span};

/// A retry that starts this much after its due time is on time: the broker checks due times in ticks.
const TOLERANCE: Duration = Duration::from_millis(350);
/// A due time that differs by more than this from the decided one was moved by an operator.
const MOVED_BY: Duration = Duration::from_millis(1_000);

/// The rows so far, and what the next row starts from.
struct LayoutState {
    rows: Vec<TimelineRow>,
    /// The earliest start of the next attempt.
    since: Timestamp,
    /// The due time that the last decision gave it.
    planned: Option<Timestamp>,
    /// The number of the job's life, from 1.
    life: u32,
    /// The attempt of the last record in this life.
    attempt: u32,
}

/// All rows: past attempts, the current attempt, and the attempts that follow if it fails.
pub(crate) fn layout(timeline: &JobTimeline<'_>) -> Vec<TimelineRow> {
    let mut state = LayoutState {
        rows: Vec::new(),
        since: timeline.job.enqueued_at,
        planned: None,
        life: 1,
        attempt: 0,
    };
    let history = &timeline.job.history;
    for (at, record) in history.iter().enumerate() {
        let next = history[at + 1..].iter().find_map(|next| next.started_at.or(next.ended_at));
        state.add_record(timeline, record, next);
    }
    if !timeline.state.is_final() {
        state.add_current(timeline);
        let last = state.rows.last().and_then(|row| row.mark);
        let from = last.unwrap_or(timeline.now).max(timeline.now);
        state.rows.extend(future::rows(timeline, from));
    }
    state.rows
}

impl LayoutState {
    fn add_record(
        &mut self,
        timeline: &JobTimeline<'_>,
        record: &AttemptRecord,
        next: Option<Timestamp>,
    ) {
        if record.outcome == AttemptOutcome::Requeued {
            return self.add_requeued(record);
        }
        if record.attempt > self.attempt.saturating_add(1) {
            self.add_dropped(record.attempt);
        }
        self.attempt = record.attempt;
        let id = format!("attempt-{}-{}", self.life, self.rows.len());
        let kind = RowKind::Past(record.outcome);
        let mut row = TimelineRow::new(id, kind, timeline.title(record.attempt));
        let end = record.ended_at.unwrap_or(self.since);
        match record.started_at {
            Some(start) => {
                self.describe_wait(&mut row, record.due_at, start);
                row.bar(BarKind::Run(record.outcome), start, end);
                row.started_at = Some(start);
                row.ran = format_run(end.since(start));
            }
            None if record.outcome == AttemptOutcome::Crashed => {
                let until = next.unwrap_or(timeline.now);
                self.describe_crash(&mut row, record.due_at, until);
                row.mark = Some(until);
                row.ran = "unknown: the worker crashed".into();
            }
            None => {
                self.describe_wait(&mut row, record.due_at, end);
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
                "the job runs again: a crash is not an attempt, but counts as one of {} crashes",
                timeline.policy().max_crashes()
            );
        }
        if record.outcome != AttemptOutcome::Crashed {
            self.since = end;
            self.planned = record.delay_ms.map(|ms| end + Duration::from_millis(ms));
        } else {
            self.since = next.unwrap_or(timeline.now);
            self.planned = None;
        }
        self.rows.push(row);
    }

    /// The wait before `start`: planned, and actual.
    fn describe_wait(&self, row: &mut TimelineRow, due_at: Option<Timestamp>, start: Timestamp) {
        // An operator may have moved the due time: the message has the current one.
        let Some(due) = due_at.or(self.planned).filter(|due| *due > self.since) else {
            row.bar(BarKind::Queued, self.since, start);
            let waited = Some(start.since(self.since)).filter(|waited| !waited.is_zero());
            row.waited = waited.map(|w| format!("{} for a slot", span(w))).unwrap_or_default();
            return;
        };
        let wait = due.since(self.since);
        let late = start.since(due);
        row.late = late > TOLERANCE;
        // What is on time has no bar of lateness.
        let planned_end = if row.late { due.min(start) } else { start };
        row.bar(BarKind::Planned, self.since, planned_end);
        if row.late {
            row.bar(BarKind::Late, due, start);
        }
        row.waited = match () {
            () if start < due => {
                let early = due.since(start);
                let waited = start.since(self.since);
                format!(
                    "{}, {} before its due time: released by an operator",
                    span(waited),
                    span(early)
                )
            }
            () if row.late => format!("{} as planned, then {} late", span(wait), span(late)),
            () if late.is_zero() => format!("{} as planned", span(wait)),
            () => format!("{} as planned (+{})", span(wait), span(late)),
        };
        if let Some(planned) = self.planned.filter(|p| p.since(due).max(due.since(*p)) > MOVED_BY) {
            let decided = planned.since(self.since);
            let decided = span(decided);
            row.waited.push_str(&format!("; moved by an operator, the decision was {decided}"));
        }
    }

    /// A worker says that it runs the attempt, and since when.
    fn describe_run(
        &self,
        timeline: &JobTimeline<'_>,
        row: &mut TimelineRow,
        due: Option<Timestamp>,
    ) {
        let Some((run, started)) = timeline.run.and_then(|run| Some((run, run.started_at?))) else {
            return;
        };
        let now = timeline.now;
        let start = started.max(self.since).min(now);
        self.describe_wait(row, due.filter(|due| *due <= start), start);
        row.bar(BarKind::Running, start, now);
        row.mark = Some(now);
        row.started_at = Some(start);
        row.ran = format!("{} so far", span(now.since(start)));
        row.worker = Some(run.worker.clone());
        row.reason = match run.worker_is_gone {
            true => format!(
                "the worker is gone, and was last seen {} ago: another worker takes the job when its \
                 lease ends",
                span(now.since(run.seen_at))
            ),
            false => "the worker records the outcome when the attempt ends".into(),
        };
    }

    /// The attempt started when it was due; the time of the crash is unknown.
    fn describe_crash(
        &mut self,
        row: &mut TimelineRow,
        due_at: Option<Timestamp>,
        until: Timestamp,
    ) {
        let due = due_at.or(self.planned).filter(|due| *due > self.since && *due < until);
        let start = due.unwrap_or(self.since);
        row.bar(BarKind::Planned, self.since, start);
        row.bar(BarKind::Lost, start, until);
        row.waited = match due {
            Some(due) => format!("{} as planned", span(due.since(self.since))),
            None => String::new(),
        };
    }

    fn add_requeued(&mut self, record: &AttemptRecord) {
        let at = record.ended_at.unwrap_or(self.since);
        let id = format!("requeued-{}", self.life);
        let kind = RowKind::Past(AttemptOutcome::Requeued);
        let mut row = TimelineRow::new(id, kind, "Requeued".into());
        row.mark = Some(at);
        row.reason =
            "an operator requeued the job: it has a new life, and attempts count from 1 again"
                .into();
        self.rows.push(row);
        self.since = at;
        self.planned = None;
        self.attempt = 0;
        self.life += 1;
    }

    fn add_dropped(&mut self, next: u32) {
        let first = self.attempt + 1;
        let title = match next - 1 {
            last if last == first => format!("Attempt {first}"),
            last => format!("Attempts {first} to {last}"),
        };
        let id = format!("dropped-{}-{first}", self.life);
        let mut row = TimelineRow::new(id, RowKind::Dropped, title);
        row.reason = "the records of these attempts were dropped to keep the job small".into();
        self.rows.push(row);
    }

    /// The current attempt, which waits or runs.
    fn add_current(&mut self, timeline: &JobTimeline<'_>) {
        let job = timeline.job;
        let now = timeline.now;
        if job.attempt > self.attempt.saturating_add(1) {
            self.add_dropped(job.attempt);
        }
        let runs = timeline.state == JobState::Running;
        let kind = if runs { RowKind::Running } else { RowKind::Waiting };
        let mut row =
            TimelineRow::new(format!("now-{}", self.life), kind, timeline.title(job.attempt));
        match (timeline.state, timeline.due_at.or(job.due_at)) {
            (JobState::Running, due)
                if timeline.run.is_some_and(|run| run.started_at.is_some()) =>
            {
                self.describe_run(timeline, &mut row, due);
            }
            (JobState::Running, due) => {
                let start = timeline.stored_at.max(self.since).min(now);
                self.describe_wait(&mut row, due.filter(|due| *due <= now), start);
                row.bar(BarKind::Running, start, now);
                row.mark = Some(now);
                row.ran = format!("at most {} so far", span(now.since(start)));
                row.reason = "a worker has taken the job: it waits there for a slot, or has just \
                              started"
                    .into();
            }
            (JobState::Scheduled | JobState::Retrying, Some(due)) if due > now => {
                row.bar(BarKind::Planned, self.since, due);
                row.mark = Some(due);
                row.waited = format!("{} as planned", span(due.since(self.since)));
                row.reason = "waits until it is due, without a slot".into();
            }
            (JobState::Blocked, _) => {
                row.bar(BarKind::Queued, self.since, now);
                row.mark = Some(now);
                row.waited = format!("{} so far", span(now.since(self.since)));
                row.reason = match timeline.blockers {
                    1 => "waits for another job to end".into(),
                    n => format!("waits for {n} jobs to end"),
                };
            }
            (_, due) => {
                let due = due.filter(|due| *due <= now);
                self.describe_wait(&mut row, due, now);
                row.mark = Some(now);
                row.reason = "waits for a free slot of a worker".into();
            }
        }
        self.rows.push(row);
    }
}

fn format_run(took: Duration) -> String {
    if took.is_zero() { "less than 1ms".into() } else { span(took) }
}

#[cfg(test)]
mod tests;
