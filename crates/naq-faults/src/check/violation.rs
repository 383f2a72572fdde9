//! What can be found.

use std::fmt;

use serde::Serialize;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The job, if it is one job's.
    pub job: Option<String>,
    /// What was found.
    #[serde(flatten)]
    pub what: What,
}

/// How a promise was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "violation", rename_all = "snake_case")]
pub enum What {
    /// The producer never sent it, or never got an ack: the run itself is incomplete.
    NotSent,
    /// Acknowledged, and the broker holds nothing of it.
    Lost,
    /// The run was drained, and it still waits.
    LeftWaiting {
        /// Where.
        places: Vec<String>,
    },
    /// It ended more than once.
    TwoEnds {
        /// How.
        states: Vec<String>,
    },
    /// It died, and of the record and the letter of its death one is missing.
    HalfDead {
        /// What is there.
        found: Vec<String>,
    },
    /// It ended otherwise than its script says.
    WrongEnd {
        /// What the script says.
        expected: String,
        /// What the broker says.
        found: String,
    },
    /// It ended, but this step of it was never run.
    NeverRan {
        /// The step.
        step: String,
    },
    /// A step ran that its script does not have.
    Unscripted {
        /// The step.
        step: String,
    },
    /// A step ran again although nothing had happened to the run before.
    RanTwice {
        /// The step.
        step: String,
        /// When, and on which worker, the two began.
        starts: [(u64, String); 2],
    },
    /// It ran although its end was stored.
    RanAfterEnd {
        /// When its end was stored.
        ended: u64,
        /// When the handler began.
        started: u64,
        /// Where.
        worker: String,
    },
    /// A step ran although a later one had begun.
    WentBack {
        /// The step that came late.
        step: String,
        /// The step that had begun.
        after: String,
    },
    /// It ran before its time.
    Early {
        /// The step.
        step: String,
        /// By how much.
        by_ms: u64,
    },
    /// A step ran although the one before never finished.
    OutOfNowhere {
        /// The step.
        step: String,
    },
    /// Another number of crashes than deaths that can have touched it.
    WrongCrashes {
        /// How many there should be.
        expected: u32,
        /// How many are counted.
        found: u32,
    },
    /// A poison job was given up before it had used its budget.
    PoisonTooSoon {
        /// Its budget.
        budget: u32,
        /// The crashes counted.
        found: u32,
    },
    /// A poison job ran more often than its budget allows.
    PoisonTooOften {
        /// Its budget.
        budget: u32,
        /// How often it ran.
        runs: u32,
    },
    /// A deploy cut a running handler off.
    CutByDrain {
        /// The worker.
        worker: String,
        /// The jobs.
        jobs: Vec<String>,
    },
    /// A worker ended by itself.
    WorkerQuit {
        /// The worker.
        worker: String,
    },
}

impl What {
    /// Its name.
    pub fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
    }

    /// The promise of DESIGN.md that it breaks; none when the run itself is at fault.
    pub const fn promise(&self) -> Option<u8> {
        match self {
            Self::NotSent => None,
            Self::Lost
            | Self::LeftWaiting { .. }
            | Self::TwoEnds { .. }
            | Self::HalfDead { .. }
            | Self::WrongEnd { .. }
            | Self::NeverRan { .. }
            | Self::Unscripted { .. } => Some(1),
            Self::RanTwice { .. } | Self::RanAfterEnd { .. } | Self::WentBack { .. } => Some(2),
            Self::Early { .. } | Self::OutOfNowhere { .. } => Some(3),
            Self::WrongCrashes { .. }
            | Self::PoisonTooSoon { .. }
            | Self::PoisonTooOften { .. }
            | Self::CutByDrain { .. }
            | Self::WorkerQuit { .. } => Some(6),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what.promise() {
            Some(promise) => write!(f, "promise {promise}: ")?,
            None => f.write_str("the run: ")?,
        }
        write!(f, "{}: {:?}", self.job.as_deref().unwrap_or("all jobs"), self.what)
    }
}
