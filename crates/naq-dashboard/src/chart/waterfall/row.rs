//! [`Row`]: one line of the waterfall, as data.

use naq_core::retry::Rule;
use naq_core::wire::AttemptOutcome;
use naq_core::{ErrorKind, Timestamp, WorkerId};

/// What a row tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something that left a record.
    Was(AttemptOutcome),
    /// Records that were given up, to keep the job small.
    Dropped,
    /// An attempt that waits for its time, a slot or other jobs.
    Waits,
    /// An attempt that runs.
    Runs,
    /// An attempt that is made if the one before it fails.
    ToCome,
    /// What happens if the last one fails.
    TheEnd,
}

/// A stretch of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) look: Look,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// What a stretch was spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Look {
    /// Waited for a slot.
    Queued,
    /// Waited as planned: the backoff, a snooze, the time of the first attempt.
    Planned,
    /// Waited beyond that.
    Late,
    /// Ran.
    Run(AttemptOutcome),
    /// Runs; it began at `from` at the earliest.
    Running,
    /// A worker died somewhere in it.
    Lost,
    /// When it may begin.
    Possible,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Names it among the rows: it stays the same while others come.
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// `Attempt 2 of 5`.
    pub(crate) title: String,
    /// In their order in time.
    pub(crate) bars: Vec<Bar>,
    /// A moment without length: a decision, or a beginning that is expected.
    pub(crate) mark: Option<Timestamp>,
    /// What it waited for and how long, planned against actual.
    pub(crate) waited: String,
    /// Whether it began later than it is promised to.
    pub(crate) late: bool,
    pub(crate) started_at: Option<Timestamp>,
    /// How long it ran.
    pub(crate) ran: String,
    pub(crate) worker: Option<WorkerId>,
    pub(crate) error: Option<(ErrorKind, String)>,
    pub(crate) rule: Option<Rule>,
    /// The decision in one sentence, or what the row is about.
    pub(crate) reason: String,
}

impl Row {
    pub(super) fn new(id: String, kind: Kind, title: String) -> Self {
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

    pub(super) fn bar(&mut self, look: Look, from: Timestamp, to: Timestamp) {
        if to > from || matches!(look, Look::Run(_) | Look::Running) {
            self.bars.push(Bar { look, from, to: to.max(from) });
        }
    }

    /// How it stands, in a word or two.
    pub(crate) fn outcome(&self) -> &'static str {
        match self.kind {
            Kind::Was(AttemptOutcome::Completed) => "succeeded",
            Kind::Was(AttemptOutcome::Failed) => "failed",
            Kind::Was(AttemptOutcome::Snoozed) => "snoozed",
            Kind::Was(AttemptOutcome::Cancelled) => "cancelled",
            Kind::Was(AttemptOutcome::Crashed) => "crashed",
            Kind::Was(AttemptOutcome::NotRun) => "not run",
            Kind::Was(AttemptOutcome::HeldBack) => "held back",
            Kind::Was(AttemptOutcome::Requeued) => "requeued",
            Kind::Was(_) => "of a newer version",
            Kind::Dropped => "not kept",
            Kind::Waits => "waits",
            Kind::Runs => "runs",
            Kind::ToCome => "to come",
            Kind::TheEnd => "the end",
        }
    }

    /// What is said before how long it waited.
    pub(crate) fn waits(&self) -> &'static str {
        match self.kind {
            Kind::Was(_) => "waited",
            Kind::Waits | Kind::Runs => "waits",
            _ => "",
        }
    }

    /// The class that colours it.
    pub(crate) fn tone(&self) -> &'static str {
        match self.kind {
            Kind::Was(outcome) => tone(outcome),
            Kind::Runs => "info",
            Kind::Waits => "warn",
            Kind::Dropped | Kind::ToCome | Kind::TheEnd => "muted",
        }
    }
}

/// The class that colours an outcome.
pub(super) fn tone(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Completed => "good",
        AttemptOutcome::Failed | AttemptOutcome::Crashed | AttemptOutcome::NotRun => "bad",
        AttemptOutcome::Snoozed | AttemptOutcome::HeldBack => "warn",
        AttemptOutcome::Requeued => "info",
        _ => "muted",
    }
}
