//! [`AttemptCounts`]: the attempts of a worker so far, for its entry in the directory.

use std::sync::atomic::{AtomicU64, Ordering};

use naq_core::Advice;

use crate::decide::{DeliveryOutcome, FinishedRun, RunResult};

/// Attempts so far.
#[derive(Debug, Default)]
pub(crate) struct AttemptCounts {
    finished: AtomicU64,
    failed: AtomicU64,
}

impl AttemptCounts {
    pub(crate) fn add(&self, outcome: &DeliveryOutcome) {
        let (finished, failed) = match outcome {
            DeliveryOutcome::Ran(run) => (true, is_failure(run)),
            DeliveryOutcome::Undecodable(_) | DeliveryOutcome::Unverified(..) => (true, true),
            DeliveryOutcome::NotRun(..)
            | DeliveryOutcome::UnknownTask(_)
            | DeliveryOutcome::ArgsMissing(..)
            | DeliveryOutcome::Undecryptable(..) => (true, false),
            DeliveryOutcome::HeldBack(..)
            | DeliveryOutcome::Interrupted
            | DeliveryOutcome::Cancelled
            | DeliveryOutcome::LeaseLost => (false, false),
        };
        self.finished.fetch_add(finished.into(), Ordering::Relaxed);
        self.failed.fetch_add(failed.into(), Ordering::Relaxed);
    }

    pub(crate) fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

fn is_failure(run: &FinishedRun) -> bool {
    match &run.result {
        RunResult::Failed { failure, .. } => {
            !matches!(failure.advice(), Advice::Snooze(_) | Advice::Cancel)
        }
        RunResult::Completed(_) | RunResult::CompletedByFallback { .. } => false,
    }
}
