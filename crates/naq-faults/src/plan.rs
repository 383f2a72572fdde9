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

/// About how long a round takes. In its first three quarters there is harm; in the last there is
/// none, but a deploy of all workers, so that in each round there are jobs whose counts must be exact.
const ROUND_MS: u64 = 30_000;
/// Out of four.
const HARM_QUARTERS: u64 = 3;
/// SIGKILLs of a worker in a round.
const WORKER_KILLS: usize = 6;
/// SIGKILLs of the broker in a round.
const BROKER_KILLS: usize = 2;

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

/// How long a poison job takes to use up its crashes.
const POISON_TAKES_MS: u64 = 10_000;

/// How many jobs take their process down: once, and always.
fn deadly(jobs: u32) -> (usize, usize) {
    ((jobs / 1_000 + 1) as usize, (jobs / 2_500 + 1) as usize)
}

impl Settings {
    /// A run that a test command can afford: one round.
    pub const SHORT: Self = Self { jobs: 5_000, workers: 4, duration_ms: ROUND_MS };

    /// How many rounds, and how long each of them takes.
    fn rounds(&self) -> (u64, u64) {
        let rounds = (self.duration_ms / ROUND_MS).max(1);
        (rounds, self.duration_ms / rounds)
    }

    /// Whether harm may be done from this time on, for so long.
    fn is_harmful(&self, at_ms: u64, for_ms: u64) -> bool {
        let (_, round) = self.rounds();
        at_ms % round + for_ms < round * HARM_QUARTERS / 4
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
    let count = settings.jobs as usize;
    let last = settings.duration_ms * 9 / 10;
    let send_at = |n: usize| last * n as u64 / count.max(1) as u64;
    let mut scripts: Vec<Script> = (0..count).map(|_| pick(rng)).collect();
    // Those that take their process down come in harmful times, early enough to have done it.
    let harmful = |n: &usize| settings.is_harmful(send_at(*n), POISON_TAKES_MS);
    let mut places: Vec<usize> = (0..count).filter(harmful).collect();
    rng.shuffle(&mut places);
    let (crashing, poisonous) = deadly(settings.jobs);
    let deadly =
        [Script::Crash].repeat(crashing).into_iter().chain([Script::Poison].repeat(poisonous));
    for (script, place) in deadly.zip(places) {
        scripts[place] = script;
    }
    let job = |(n, script)| PlannedJob {
        id: format!("f{seed:x}-{n}"),
        queue: QUEUES[rng.usize(..QUEUES.len())].to_owned(),
        send_at_ms: send_at(n),
        delay_ms: match script {
            Script::Expire => 500,
            _ if rng.u32(..10) == 0 => rng.u64(200..1_500),
            _ => 0,
        },
        script,
        pace: Pace::ALL[rng.usize(..Pace::ALL.len())],
    };
    scripts.into_iter().enumerate().map(job).collect()
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

fn faults(rng: &mut fastrand::Rng, settings: &Settings) -> Vec<PlannedFault> {
    let (rounds, length) = settings.rounds();
    let mut faults = Vec::new();
    for start in (0..rounds).map(|n| n * length) {
        let mut harms = Vec::new();
        for _ in 0..WORKER_KILLS {
            harms.push(Harm::KillWorker { place: rng.u32(..settings.workers) });
        }
        for _ in 0..BROKER_KILLS {
            harms.push(Harm::KillBroker { down_ms: rng.u64(50..2_000) });
        }
        harms.push(Harm::PauseBroker { ms: rng.u64(200..2 * LEASE_MS) });
        harms.push(Harm::Cut);
        rng.shuffle(&mut harms);
        // Spread evenly, with some chance in the distances.
        let harmful = length * HARM_QUARTERS / 4;
        let every = harmful / (harms.len() as u64 + 1);
        let at = |n: usize, rng: &mut fastrand::Rng| {
            start + every * (n as u64 + 1) + rng.u64(..=every / 2)
        };
        let timed = harms.into_iter().enumerate();
        faults.extend(timed.map(|(n, harm)| PlannedFault { at_ms: at(n, rng), harm }));
        faults.push(PlannedFault { at_ms: start + length * 7 / 8, harm: Harm::Roll });
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_plan() {
        let plan = |seed| Plan::new(seed, Settings::SHORT);
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7).jobs, plan(8).jobs);
        assert_ne!(plan(7).faults, plan(8).faults);
    }

    #[test]
    fn a_plan_has_every_script_every_fault_and_a_rising_time() {
        let plan = Plan::new(1, Settings::SHORT);
        let has = |wanted: Script| plan.jobs.iter().any(|job| job.script == wanted);
        assert!(MIX.iter().all(|(_, script)| has(*script)));
        assert!(has(Script::Crash) && has(Script::Poison) && has(Script::Succeed));
        let kills = |f: &&PlannedFault| matches!(f.harm, Harm::KillWorker { .. });
        assert_eq!(plan.faults.iter().filter(kills).count(), WORKER_KILLS);
        let quiet = |f: &&PlannedFault| !plan.settings.is_harmful(f.at_ms, 0);
        assert!(plan.faults.iter().filter(quiet).all(|f| f.harm == Harm::Roll));
        assert!(plan.faults.is_sorted_by_key(|fault| fault.at_ms));
        assert!(plan.faults.iter().all(|f| f.at_ms <= plan.settings.duration_ms));
        assert!(plan.jobs.is_sorted_by_key(|job| job.send_at_ms));
    }

    #[test]
    fn a_plan_survives_its_file() {
        let plan = Plan::new(3, Settings { jobs: 50, ..Settings::SHORT });
        let text = serde_json::to_string(&plan).expect("writes");
        assert_eq!(serde_json::from_str::<Plan>(&text).expect("reads"), plan);
    }
}
