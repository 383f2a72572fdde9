//! [`StoredJob`]: what the broker has stored of a job.

use naq_core::JobState;
use serde::{Deserialize, Serialize};

use crate::script::ScriptStep;

/// What the broker has stored of a job at the end of the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredJob {
    /// Where messages of the job still wait: `queue`, `schedule`.
    pub live: Vec<String>,
    /// Its ends. More than one is a violation.
    pub ends: Vec<JobEnd>,
    /// Records without their dead letter, and dead letters without their record.
    #[serde(default)]
    pub half: Vec<String>,
}

/// One end of a job: a record, or a dead letter with its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEnd {
    /// The state.
    pub state: JobState,
    /// The last step.
    pub step: ScriptStep,
    /// The crashes counted.
    pub crashes: u32,
    /// The rule that decided, for a dead letter.
    pub rule: Option<String>,
    /// When the broker stored it.
    pub at: u64,
}

impl StoredJob {
    /// In [`half`](Self::half): a record of a death whose dead letter is missing.
    pub const NO_LETTER: &'static str = "a record without its letter";
    /// In [`half`](Self::half): a dead letter whose record is missing.
    pub const NO_RECORD: &'static str = "a letter without its record";
}
