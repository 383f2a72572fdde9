//! The plan of a run: which jobs, and which faults when. A pure function of seed and settings, so
//! that a seed replays it. (What the faults hit is the machine's doing and differs from run to run.)

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::script::{Pace, Script};

/// The size of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Jobs to enqueue.
    pub jobs: u32,
    /// Worker processes.
    pub workers: u32,
    /// Over how long jobs arrive and faults happen; then the run drains.
    pub duration_ms: u64,
    /// Workers to kill with SIGKILL.
    pub worker_kills: u32,
    /// SIGKILLs of the broker, each followed by a restart.
    pub broker_kills: u32,
    /// Passes of SIGTERM over all workers, one after the other.
    pub rolls: u32,
    /// SIGSTOPs of the broker, for up to twice the lease.
    pub pauses: u32,
    /// Resets of all connections.
    pub cuts: u32,
}

/// A run, thought out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What it follows from.
    pub seed: u64,
    /// And this.
    pub settings: Settings,
    /// The jobs, in the order in which they are sent.
    pub jobs: Vec<PlannedJob>,
    /// The faults, in the order in which they happen.
    pub faults: Vec<PlannedFault>,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedJob {
    /// Its id.
    pub id: String,
    /// Its queue.
    pub queue: String,
    /// When it is sent, in milliseconds from the start.
    pub send_at_ms: u64,
    /// How long it waits for its first attempt; zero for not at all.
    pub delay_ms: u64,
    /// What its handler does.
    pub script: Script,
    /// Its delays.
    pub pace: Pace,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFault {
    /// When, in milliseconds from the start.
    pub at_ms: u64,
    /// What.
    pub harm: Harm,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// SIGKILL to the worker in this place; another takes it at once.
    KillWorker {
        /// Which place, from 0.
        place: u32,
    },
    /// SIGKILL to the broker.
    KillBroker {
        /// Until it is started again.
        down_ms: u64,
    },
    /// SIGTERM to each worker in turn; its successor starts when it has ended.
    Roll,
    /// SIGSTOP to the broker.
    PauseBroker {
        /// Until SIGCONT.
        ms: u64,
    },
    /// All connections are reset.
    Cut,
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillWorker { place } => write!(f, "SIGKILL to worker {place}"),
            Self::KillBroker { down_ms } => {
                write!(f, "SIGKILL to the broker, back in {down_ms} ms")
            }
            Self::Roll => f.write_str("SIGTERM to each worker in turn"),
            Self::PauseBroker { ms } => write!(f, "SIGSTOP to the broker for {ms} ms"),
            Self::Cut => f.write_str("all connections reset"),
        }
    }
}

/// The queues of a run.
pub const QUEUES: [&str; 2] = ["faults-a", "faults-b"];
/// The lease of a run: short, so that a dead worker's jobs are soon with another.
pub const LEASE_MS: u64 = 2_000;

/// Out of 1,000 jobs. What is missing to 1,000 succeeds at once; crashes and poison are counted by
/// [`deadly`], since each takes its neighbours with it.
const MIX: [(u32, Script); 13] = [
    (120, Script::FailThenSucceed { failures: 1 }),
    (60, Script::FailThenSucceed { failures: 2 }),
    (40, Script::FailAlways),
    (30, Script::Fatal),
    (30, Script::Ignored),
    (30, Script::Snooze),
    (20, Script::Panic),
    (20, Script::RetryAfter),
    (15, Script::Slow { ms: 500 }),
    // Longer than the lease: it runs once only because the lease is renewed.
    (5, Script::Slow { ms: LEASE_MS + 1_000 }),
    (15, Script::Blocking { ms: 300 }),
    (15, Script::Cancel),
    (15, Script::Expire),
];

/// How many jobs take their process down: once, and always.
fn deadly(jobs: u32) -> (usize, usize) {
    ((jobs / 1_000 + 1) as usize, (jobs / 2_500 + 1) as usize)
}

impl Settings {
    /// A run that a test command can afford.
    pub fn short() -> Self {
        Self {
            jobs: 5_000,
            workers: 4,
            duration_ms: 30_000,
            worker_kills: 6,
            broker_kills: 2,
            rolls: 1,
            pauses: 1,
            cuts: 1,
        }
    }

    /// A run of this length, with a fault every few seconds.
    pub fn long(jobs: u32, workers: u32, duration_ms: u64) -> Self {
        let every = |seconds: u64| u32::try_from(duration_ms / 1_000 / seconds).unwrap_or(u32::MAX);
        Self {
            jobs,
            workers,
            duration_ms,
            worker_kills: every(6).max(1),
            broker_kills: every(30).max(1),
            rolls: every(90).max(1),
            pauses: every(60),
            cuts: every(20),
        }
    }
}

impl Plan {
    /// The plan that follows from `seed` and `settings`.
    pub fn new(seed: u64, settings: Settings) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let jobs = jobs(&mut rng, seed, &settings);
        let faults = faults(&mut rng, &settings);
        Self { seed, settings, jobs, faults }
    }
}

fn jobs(rng: &mut fastrand::Rng, seed: u64, settings: &Settings) -> Vec<PlannedJob> {
    let mut scripts: Vec<Script> = (0..settings.jobs).map(|_| pick(rng)).collect();
    let (crashing, poisonous) = deadly(settings.jobs);
    for (script, count) in [(Script::Crash, crashing), (Script::Poison, poisonous)] {
        for _ in 0..count.min(scripts.len()) {
            let at = rng.usize(..scripts.len());
            scripts[at] = script;
        }
    }
    let last = settings.duration_ms * 9 / 10;
    scripts
        .into_iter()
        .enumerate()
        .map(|(n, script)| PlannedJob {
            id: format!("f{seed:x}-{n}"),
            queue: QUEUES[rng.usize(..QUEUES.len())].to_owned(),
            send_at_ms: last * n as u64 / u64::from(settings.jobs.max(1)),
            delay_ms: match script {
                Script::Expire => 500,
                _ if rng.u32(..10) == 0 => rng.u64(200..1_500),
                _ => 0,
            },
            script,
            pace: Pace::ALL[rng.usize(..Pace::ALL.len())],
        })
        .collect()
}

fn pick(rng: &mut fastrand::Rng) -> Script {
    let mut left = rng.u32(..1_000);
    for (share, script) in MIX {
        match left.checked_sub(share) {
            Some(rest) => left = rest,
            None => return script,
        }
    }
    Script::Succeed
}

/// All faults in random order, spread over the run with some chance in the distances.
fn faults(rng: &mut fastrand::Rng, settings: &Settings) -> Vec<PlannedFault> {
    let mut harms = Vec::new();
    let mut add = |count: u32, harm: &mut dyn FnMut() -> Harm| {
        harms.extend((0..count).map(|_| harm()));
    };
    add(settings.worker_kills, &mut || Harm::KillWorker { place: rng.u32(..settings.workers) });
    add(settings.broker_kills, &mut || Harm::KillBroker { down_ms: rng.u64(50..2_000) });
    add(settings.rolls, &mut || Harm::Roll);
    add(settings.pauses, &mut || Harm::PauseBroker { ms: rng.u64(200..2 * LEASE_MS) });
    add(settings.cuts, &mut || Harm::Cut);
    rng.shuffle(&mut harms);
    let every = settings.duration_ms / (harms.len() as u64 + 1);
    harms
        .into_iter()
        .enumerate()
        .map(|(n, harm)| PlannedFault {
            at_ms: every * (n as u64 + 1) + rng.u64(..=every / 2),
            harm,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_plan() {
        let plan = |seed| Plan::new(seed, Settings::short());
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7).jobs, plan(8).jobs);
        assert_ne!(plan(7).faults, plan(8).faults);
    }

    #[test]
    fn a_plan_has_every_script_every_fault_and_a_rising_time() {
        let plan = Plan::new(1, Settings::short());
        let has = |wanted: Script| plan.jobs.iter().any(|job| job.script == wanted);
        assert!(MIX.iter().all(|(_, script)| has(*script)));
        assert!(has(Script::Crash) && has(Script::Poison) && has(Script::Succeed));
        let kills = |f: &&PlannedFault| matches!(f.harm, Harm::KillWorker { .. });
        assert_eq!(plan.faults.iter().filter(kills).count(), 6);
        assert!(plan.faults.is_sorted_by_key(|fault| fault.at_ms));
        assert!(plan.faults.iter().all(|f| f.at_ms <= plan.settings.duration_ms));
        assert!(plan.jobs.is_sorted_by_key(|job| job.send_at_ms));
    }

    #[test]
    fn a_plan_survives_its_file() {
        let plan = Plan::new(3, Settings { jobs: 50, ..Settings::short() });
        let text = serde_json::to_string(&plan).expect("writes");
        assert_eq!(serde_json::from_str::<Plan>(&text).expect("reads"), plan);
    }
}
