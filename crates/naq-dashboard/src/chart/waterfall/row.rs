//! [`TimelineRow`]: one row of the waterfall, as data.

use naq_core::retry::Rule;
use naq_core::wire::AttemptOutcome;
use naq_core::{ErrorKind, Timestamp, WorkerId};

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// An attempt, or a requeue, that has a record.
    Past(AttemptOutcome),
    /// Attempts whose records were dropped to keep the job small.
    Dropped,
    /// The current attempt waits until it is due, for a slot, or for other jobs.
    Waiting,
    /// The current attempt runs.
    Running,
    /// An attempt that follows if the one before it fails.
    Planned,
    /// What happens if the last attempt fails.
    FinalOutcome,
}

/// A time span in a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimelineBar {
    pub(crate) kind: BarKind,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// What happened in a time span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum BarKind {
    /// The attempt waited for a slot.
    Queued,
    /// The attempt waited as planned: for its retry delay, a snooze, or its first due time.
    Planned,
    /// The attempt waited longer than planned.
    Late,
    /// The attempt ran.
    Run(AttemptOutcome),
    /// The attempt runs; it started at `from` or later.
    Running,
    /// A worker crashed at an unknown time in this span.
    Lost,
    /// The planned attempt may start in this span.
    Possible,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimelineRow {
    /// The HTML id. It stays the same while further rows appear.
    pub(crate) id: String,
    pub(crate) kind: RowKind,
    /// `Attempt 2 of 5`.
    pub(crate) title: String,
    /// The time spans, oldest first.
    pub(crate) bars: Vec<TimelineBar>,
    /// A point in time: a decision, or an expected start.
    pub(crate) mark: Option<Timestamp>,
    /// What the attempt waited for: planned, and actual.
    pub(crate) waited: String,
    /// Whether it started later than planned.
    pub(crate) late: bool,
    pub(crate) started_at: Option<Timestamp>,
    /// How long the attempt ran.
    pub(crate) ran: String,
    pub(crate) worker: Option<WorkerId>,
    pub(crate) error: Option<(ErrorKind, String)>,
    pub(crate) rule: Option<Rule>,
    /// The decision, or what the row is about, in one sentence.
    pub(crate) reason: String,
}

impl TimelineRow {
    pub(super) fn new(id: String, kind: RowKind, title: String) -> Self {
        Self {
            id,
            kind,
            title,
            bars: Vec::new(),
            mark: None,
            waited: String::new(),
            late: false,
            started_at: None,
            ran: String::new(),
            worker: None,
            error: None,
            rule: None,
            reason: String::new(),
        }
    }

    pub(super) fn bar(&mut self, kind: BarKind, from: Timestamp, to: Timestamp) {
        if to > from || matches!(kind, BarKind::Run(_) | BarKind::Running) {
            self.bars.push(TimelineBar { kind, from, to: to.max(from) });
        }
    }

    /// The outcome, in a word or two.
    pub(crate) fn outcome(&self) -> &'static str {
        match self.kind {
            RowKind::Past(AttemptOutcome::Completed) => "succeeded",
            RowKind::Past(AttemptOutcome::Failed) => "failed",
            RowKind::Past(AttemptOutcome::Snoozed) => "snoozed",
            RowKind::Past(AttemptOutcome::Cancelled) => "cancelled",
            RowKind::Past(AttemptOutcome::Crashed) => "crashed",
            RowKind::Past(AttemptOutcome::NotRun) => "not run",
            RowKind::Past(AttemptOutcome::HeldBack) => "held back",
            RowKind::Past(AttemptOutcome::Requeued) => "requeued",
            RowKind::Past(_) => "unknown to this version",
            RowKind::Dropped => "not recorded",
            RowKind::Waiting => "waiting",
            RowKind::Running => "running",
            RowKind::Planned => "planned",
            RowKind::FinalOutcome => "the end",
        }
    }

    /// The word before the text of [`TimelineRow::waited`].
    pub(crate) fn wait_verb(&self) -> &'static str {
        match self.kind {
            RowKind::Past(_) => "waited",
            RowKind::Waiting | RowKind::Running => "waits",
            _ => "",
        }
    }

    /// The CSS class with the row's colour.
    pub(crate) fn tone(&self) -> &'static str {
        match self.kind {
            RowKind::Past(outcome) => tone(outcome),
            RowKind::Running => "info",
            RowKind::Waiting => "warn",
            RowKind::Dropped | RowKind::Planned | RowKind::FinalOutcome => "muted",
        }
    }
}

/// The CSS class with the colour of an outcome.
pub(super) fn tone(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Completed => "good",
        AttemptOutcome::Failed | AttemptOutcome::Crashed | AttemptOutcome::NotRun => "bad",
        AttemptOutcome::Snoozed | AttemptOutcome::HeldBack => "warn",
        AttemptOutcome::Requeued => "info",
        _ => "muted",
    }
}
