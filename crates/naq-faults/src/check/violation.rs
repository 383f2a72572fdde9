//! The violations that the checker can find.

use std::fmt;

use serde::Serialize;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The job; `None` if the violation is not about one job.
    pub job: Option<String>,
    /// The broken promise.
    #[serde(flatten)]
    pub what: BrokenPromise,
}

/// The ways in which a promise can be broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "violation", rename_all = "snake_case")]
pub enum BrokenPromise {
    /// The producer never sent it, or got no ack: the run itself is incomplete.
    NotSent,
    /// The broker acknowledged it and has stored nothing of it.
    Lost,
    /// It still waits after the run has drained.
    LeftWaiting {
        /// The places.
        places: Vec<String>,
    },
    /// It ended more than once.
    TwoEnds {
        /// The states.
        states: Vec<String>,
    },
    /// It died, but either the record or the dead letter of its death is missing.
    HalfDead {
        /// What is stored.
        found: Vec<String>,
    },
    /// Its end is not the one in its script.
    WrongEnd {
        /// The end in the script.
        expected: String,
        /// The end in the broker.
        found: String,
    },
    /// It ended without a run of this step.
    NeverRan {
        /// The step.
        step: String,
    },
    /// A step ran that is not in its script.
    Unscripted {
        /// The step.
        step: String,
    },
    /// A step ran again without a fault during its earlier run.
    RanTwice {
        /// The step.
        step: String,
        /// The starts of the two runs, with their workers.
        starts: [(u64, String); 2],
    },
    /// It ran after its end was stored.
    RanAfterEnd {
        /// When its end was stored.
        ended: u64,
        /// When the handler started.
        started: u64,
        /// The worker.
        worker: String,
    },
    /// A step ran after a later one had started.
    WentBack {
        /// The step.
        step: String,
        /// The later step.
        after: String,
    },
    /// A step ran before it was due.
    Early {
        /// The step.
        step: String,
        /// How early it was, in milliseconds.
        by_ms: u64,
    },
    /// A step ran although the step before it never finished.
    OutOfNowhere {
        /// The step.
        step: String,
    },
    /// Its number of crashes is wrong, although no fault can have affected it.
    WrongCrashes {
        /// The expected number.
        expected: u32,
        /// The number in the broker.
        found: u32,
    },
    /// More crashes were counted than workers died that ran it.
    CrashWithoutDeath {
        /// The deaths.
        deaths: u32,
        /// The crashes counted.
        found: u32,
    },
    /// A poison job died before its crash limit.
    PoisonTooSoon {
        /// The crash limit.
        budget: u32,
        /// The crashes counted.
        found: u32,
    },
    /// A poison job ran more often than its crash limit allows.
    PoisonTooOften {
        /// The crash limit.
        budget: u32,
        /// The number of runs.
        runs: u32,
    },
    /// A deployment stopped a running handler.
    CutByDrain {
        /// The worker.
        worker: String,
        /// The jobs.
        jobs: Vec<String>,
    },
    /// It started long after all its messages had been purged.
    RanAfterPurge {
        /// When the purge was answered.
        purged: u64,
        /// When the handler started.
        started: u64,
        /// The worker.
        worker: String,
    },
    /// The broker has stored jobs that it will never deliver.
    Stranded {
        /// The queue.
        queue: String,
        /// How many jobs.
        jobs: u64,
    },
    /// NAQ or the broker refused a deed of an operator.
    DeedRefused {
        /// The deed.
        deed: String,
        /// Why.
        why: String,
    },
    /// The answer to a deed of an operator was not true.
    WrongAnswer {
        /// The deed.
        deed: String,
        /// What is true.
        why: String,
    },
    /// More jobs of a queue are gone than its purges removed.
    MoreGoneThanPurged {
        /// The queue.
        queue: String,
        /// How many messages the purges removed.
        purged: u64,
        /// How many jobs are gone.
        gone: u64,
    },
    /// A worker ended by itself.
    WorkerQuit {
        /// The worker.
        worker: String,
    },
}

impl BrokenPromise {
    /// Its name.
    pub fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
    }

    /// The number of the promise that it breaks; `None` if the run itself is incomplete.
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
            Self::RanAfterPurge { .. }
            | Self::Stranded { .. }
            | Self::DeedRefused { .. }
            | Self::WrongAnswer { .. }
            | Self::MoreGoneThanPurged { .. } => Some(9),
            Self::WrongCrashes { .. }
            | Self::CrashWithoutDeath { .. }
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
