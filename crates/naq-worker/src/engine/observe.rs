//! Counts deliveries: what a worker observes, and when metrics and statistics learn of it.

use naq_core::Envelope;
use naq_core::stats::{Ending, Observation, ObservedError, Run};

use super::{PendingObservation, WorkerState};
use crate::decide::{DeliveryOutcome, RunTimes};
use crate::delivery::HeldDelivery;
use crate::report::ObservedEnding;

impl WorkerState {
    /// What there is to count of an outcome; its ending is not known yet. None for a delivery that
    /// was stopped before its handler began, and for chores.
    pub(crate) fn observe_outcome(
        &self,
        held: &HeldDelivery,
        outcome: &DeliveryOutcome,
    ) -> Option<PendingObservation> {
        if !self.role.counts_jobs() {
            return None;
        }
        if let Some(job) = outcome.envelope() {
            let times = match outcome {
                DeliveryOutcome::Ran(run) => Some(run.times),
                _ => None,
            };
            return Some(self.pending_observation(job, times));
        }
        if let DeliveryOutcome::Unverified(job, _) = outcome {
            return Some(self.pending_observation(job, None));
        }
        if let DeliveryOutcome::Undecodable(_) = outcome {
            let attempt = held.delivery.step().attempt;
            let ending = ObservedEnding::of(Ending::Interrupted);
            return Some(PendingObservation { task: None, attempt, run: None, ending });
        }
        self.observe_interrupted(held)
    }

    /// The same for an attempt whose handler did not come to its end.
    pub(super) fn observe_interrupted(&self, held: &HeldDelivery) -> Option<PendingObservation> {
        let started_at = held.started_at().filter(|_| self.role.counts_jobs())?;
        let job = held.read_job().ok()?;
        Some(self.pending_observation(&job, Some(RunTimes { started_at, ended_at: self.now() })))
    }

    fn pending_observation(&self, job: &Envelope, times: Option<RunTimes>) -> PendingObservation {
        let known = self.deps.tasks.get(&job.task).is_some();
        let run = times.map(|times| Run {
            started_at: times.started_at,
            ended_at: times.ended_at,
            ready_at: job.due_at.unwrap_or(job.enqueued_at),
            was_due: job.due_at.is_some(),
        });
        let task = known.then(|| job.task.clone());
        let ending = ObservedEnding::of(Ending::Interrupted);
        PendingObservation { task, attempt: job.attempt, run, ending }
    }

    /// Counts a delivery that was settled. Crashes are counted by the worker that settles the
    /// delivery which shows them.
    pub(crate) fn count_settled(
        &self,
        held: &HeldDelivery,
        pending: &PendingObservation,
        ending: Ending,
    ) {
        let error = pending.ending.error.as_deref().map(|error| ObservedError {
            kind: &error.kind,
            message: &error.message,
            rule: error.rule,
        });
        self.publish_observation(held, pending, ending, held.new_crashes(), error);
    }

    /// Counts a delivery that this worker could not settle.
    pub(crate) fn count_unsettled(&self, held: &HeldDelivery, pending: &PendingObservation) {
        self.publish_observation(held, pending, Ending::Interrupted, 0, None);
    }

    /// The one place where metrics and statistics learn of a delivery.
    fn publish_observation(
        &self,
        held: &HeldDelivery,
        pending: &PendingObservation,
        ending: Ending,
        crashes: u32,
        error: Option<ObservedError<'_>>,
    ) {
        let key = &held.delivery.stored.key;
        let observation = Observation {
            queue: &key.queue,
            task: pending.task.as_ref(),
            job: &key.id,
            attempt: pending.attempt,
            crashes,
            run: pending.run,
            ending,
            error,
        };
        if let Some(metrics) = &self.metrics {
            metrics.observe(&observation);
        }
        if let Some(stats) = &self.stats {
            stats.record(&observation, self.now());
        }
    }
}
