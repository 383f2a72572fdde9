//! What is seen of a delivery, for those who count: noted where it is decided, told once the broker
//! has it.

use naq_core::retry::{Action, Rule};
use naq_core::stats::{Ending, Observation, ObservedError, Run};
use naq_core::{Envelope, ErrorKind, Failure, JobState, TaskName};

use crate::engine::Engine;
use crate::execute::{Outcome, Times, decode};
use crate::held::Held;

/// How a delivery was judged.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) ending: Ending,
    error: Option<Box<Wrong>>,
}

#[derive(Debug)]
struct Wrong {
    kind: ErrorKind,
    message: String,
    rule: Rule,
}

impl Verdict {
    pub(crate) fn of(ending: Ending) -> Self {
        Self { ending, error: None }
    }

    /// With what went wrong, and the rule that decided what follows.
    pub(crate) fn with_error(self, failure: &Failure, rule: Rule) -> Self {
        let (kind, message) = (failure.kind().clone(), failure.message().to_owned());
        Self { error: Some(Box::new(Wrong { kind, message, rule })), ..self }
    }

    /// The kind of what went wrong.
    #[cfg(feature = "otel")]
    pub(crate) fn error_kind(&self) -> Option<&ErrorKind> {
        self.error.as_deref().map(|wrong| &wrong.kind)
    }
}

/// What an action comes to.
pub(crate) fn ending(action: &Action) -> Ending {
    match *action {
        Action::Complete => Ending::Completed,
        Action::Retry { delay, at } => Ending::Retried { delay, due_at: at },
        Action::Snooze { .. } => Ending::Snoozed,
        Action::Cancel => Ending::Cancelled,
        Action::Expire => Ending::Expired,
        Action::Dead => Ending::Dead,
    }
}

/// What a job ended as.
pub(crate) fn ended(state: JobState) -> Ending {
    match state {
        JobState::Completed => Ending::Completed,
        JobState::Dead => Ending::Dead,
        JobState::Cancelled => Ending::Cancelled,
        JobState::Expired => Ending::Expired,
        _ => Ending::Interrupted,
    }
}

/// A delivery that is about to be settled.
#[derive(Debug)]
pub(crate) struct Sighting {
    /// The task, if its handler is here.
    task: Option<TaskName>,
    attempt: u32,
    run: Option<Run>,
    verdict: Verdict,
}

impl Sighting {
    pub(crate) fn judged(self, verdict: Verdict) -> Self {
        Self { verdict, ..self }
    }

    /// What was decided.
    pub(crate) fn ending(&self) -> Ending {
        self.verdict.ending
    }
}

impl Engine {
    /// What there is to tell of an outcome, but for the verdict. None of a delivery that was stopped
    /// before its handler began, and of chores, which nobody counts.
    pub(crate) fn sight(&self, held: &Held, outcome: &Outcome) -> Option<Sighting> {
        if self.inner {
            return None;
        }
        let stopped = Verdict::of(Ending::Interrupted);
        if let Some(job) = outcome.job() {
            let times = match outcome {
                Outcome::Ran(ran) => Some(ran.times),
                _ => None,
            };
            return Some(self.sighting(job, times, stopped));
        }
        if let Outcome::Undecodable(_) = outcome {
            let attempt = held.delivery.step().attempt;
            return Some(Sighting { task: None, attempt, run: None, verdict: stopped });
        }
        self.sight_cut_off(held)
    }

    /// The same of an attempt whose handler did not come to its end.
    pub(crate) fn sight_cut_off(&self, held: &Held) -> Option<Sighting> {
        let started_at = held.started_at().filter(|_| !self.inner)?;
        let job = decode(&held.delivery).ok()?;
        let times = Times { started_at, ended_at: self.now() };
        Some(self.sighting(&job, Some(times), Verdict::of(Ending::Interrupted)))
    }

    fn sighting(&self, job: &Envelope, times: Option<Times>, verdict: Verdict) -> Sighting {
        let known = self.stage.tasks.get(&job.task).is_some();
        let run = times.map(|times| Run {
            started_at: times.started_at,
            ended_at: times.ended_at,
            ready_at: job.due_at.unwrap_or(job.enqueued_at),
            was_due: job.due_at.is_some(),
        });
        Sighting { task: known.then(|| job.task.clone()), attempt: job.attempt, run, verdict }
    }

    /// Tells of a delivery that has come to this. Worker deaths count where the delivery that brought
    /// them to light is settled: whoever gets it next counts them otherwise.
    pub(crate) fn count(&self, held: &Held, seen: &Sighting, ending: Ending, settled: bool) {
        let delivery = &held.delivery;
        let wrong = seen.verdict.error.as_deref().filter(|_| settled);
        self.observe(&Observation {
            queue: &delivery.stored.key.queue,
            task: seen.task.as_ref(),
            job: &delivery.stored.key.id,
            attempt: seen.attempt,
            crashes: if settled { delivery.delivered.saturating_sub(1) } else { 0 },
            run: seen.run,
            ending,
            error: wrong.map(|wrong| ObservedError {
                kind: &wrong.kind,
                message: &wrong.message,
                rule: wrong.rule,
            }),
        });
    }

    /// The one place where what was seen is passed on to all who count.
    fn observe(&self, seen: &Observation<'_>) {
        if let Some(meters) = &self.meters {
            meters.observe(seen);
        }
        if let Some(stats) = &self.stats {
            stats.record(seen, self.now());
        }
    }
}
