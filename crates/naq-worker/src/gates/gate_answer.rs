//! [`GateAnswer`]: what a gate says to a job that wants to start.

use naq_core::flow::Limit;
use naq_core::retry::{Decision, Rule};
use naq_core::{ErrorKind, Timestamp};

/// What a gate says to a job that wants to start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum GateAnswer {
    /// The job may start.
    Pass,
    /// Hold the job back until then. It may be released earlier.
    HoldBack {
        until: Timestamp,
        rule: Rule,
        /// The key of the breaker or of the limit, or the task or queue of the budget.
        by: Option<String>,
        /// One sentence.
        reason: String,
    },
    /// The jobs that the job depends on have ended, but it is not due before then.
    WaitUntilDue { until: Timestamp },
    /// Hold the job back until the start time that a rate gave it.
    Reserve {
        until: Timestamp,
        /// The key of the rate.
        by: String,
        /// One sentence.
        reason: String,
        /// The job's limits, with the start time.
        limits: Vec<Limit>,
    },
    /// The job does not run. It is settled as decided.
    Stop(Decision),
}

/// How long a job is held back, and why.
#[derive(Debug)]
pub(crate) struct HoldBack {
    pub(crate) until: Timestamp,
    pub(crate) rule: Rule,
    pub(crate) by: Option<String>,
    pub(crate) reason: String,
    /// Whether the job has passed the dependency gate. Then it does not have to pass it again.
    pub(crate) dependencies_met: bool,
}

/// What a gate learns of the call that it let start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GateExit {
    Succeeded,
    Failed(ErrorKind),
    /// Neither: snoozed, cancelled, stopped, held back at a later gate, lease lost.
    Undecided,
}
