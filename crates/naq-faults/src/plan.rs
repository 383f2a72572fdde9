//! The plan of a run: its jobs, its faults and its operators' deeds, with their times. It is a pure function of seed and
//! settings, so a seed repeats it. (Which jobs a fault hits depends on the machine and differs from
//! run to run.)

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cluster_plan::{ClusterHarm, cluster_harms};
use crate::deed_plan::{PlannedDeed, deeds};
use crate::script::{DelayPattern, Script};
use crate::settings::HARM_QUARTERS;
pub use crate::settings::{PlannedJob, QUEUES, RunSettings};

/// The jobs, faults and operators' deeds of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPlan {
    /// The seed of the plan.
    pub seed: u64,
    /// The size of the run.
    pub settings: RunSettings,
    /// The jobs, in the order in which they are sent.
    pub jobs: Vec<PlannedJob>,
    /// The faults, in the order in which they happen.
    pub faults: Vec<PlannedFault>,
    /// What operators do, in the order in which they begin.
    pub deeds: Vec<PlannedDeed>,
}

/// A fault of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFault {
    /// When it happens, in milliseconds from the start.
    pub at_ms: u64,
    /// What happens.
    pub harm: Harm,
}

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// Sends SIGKILL to a worker. A new one is started at once.
    KillWorker {
        /// The place of the worker, from 0.
        place: u32,
    },
    /// Sends SIGKILL to the broker.
    KillBroker {
        /// How long until the broker is started again.
        down_ms: u64,
    },
    /// Sends SIGTERM to each worker in turn. A new one is started when it has ended.
    Roll,
    /// Sends SIGSTOP to the broker.
    PauseBroker {
        /// How long until SIGCONT.
        ms: u64,
    },
    /// Resets all connections.
    Cut,
    /// Happens to the servers of a cluster.
    Cluster(ClusterHarm),
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
            Self::Cluster(harm) => write!(f, "{harm}"),
        }
    }
}

/// How often a worker is killed in a round.
const WORKER_KILLS: usize = 6;
/// How often the broker is killed in a round.
const BROKER_KILLS: usize = 2;

/// The lease in a run. It is short, so that another worker soon gets a dead worker's jobs.
pub const LEASE_MS: u64 = 2_000;

/// The shares of the scripts, out of 1,000 jobs. All others succeed at once. Jobs that abort their
/// process are not in this list, because they affect the other jobs of the worker; see [`deadly`].
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
    // Longer than the lease: it runs once only because the worker renews the lease.
    (5, Script::Slow { ms: LEASE_MS + 1_000 }),
    (15, Script::Blocking { ms: 300 }),
    (15, Script::Cancel),
    (15, Script::Expire),
];

/// How long a poison job takes to reach its maximum number of crashes.
const POISON_TAKES_MS: u64 = 10_000;

/// How many jobs abort their process: once, and always.
fn deadly(jobs: u32) -> (usize, usize) {
    ((jobs / 1_000 + 1) as usize, (jobs / 2_500 + 1) as usize)
}

impl RunPlan {
    /// The plan for this seed and these settings.
    pub fn new(seed: u64, settings: RunSettings) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let jobs = jobs(&mut rng, seed, &settings);
        let faults = faults(&mut rng, &settings);
        let deeds = deeds(seed, &settings, &jobs);
        Self { seed, settings, jobs, faults, deeds }
    }
}

fn jobs(rng: &mut fastrand::Rng, seed: u64, settings: &RunSettings) -> Vec<PlannedJob> {
    let count = settings.jobs as usize;
    let last = settings.duration_ms * 9 / 10;
    let send_at = |n: usize| last * n as u64 / count.max(1) as u64;
    let mut scripts: Vec<Script> = (0..count).map(|_| pick(rng)).collect();
    // Jobs that abort their process come while faults may happen, and early enough to finish then.
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
        pace: DelayPattern::ALL[rng.usize(..DelayPattern::ALL.len())],
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

fn faults(rng: &mut fastrand::Rng, settings: &RunSettings) -> Vec<PlannedFault> {
    let (rounds, length) = settings.rounds();
    let mut faults = Vec::new();
    for start in (0..rounds).map(|n| n * length) {
        let mut harms = Vec::new();
        for _ in 0..WORKER_KILLS {
            harms.push(Harm::KillWorker { place: rng.u32(..settings.workers) });
        }
        if settings.servers == 1 {
            for _ in 0..BROKER_KILLS {
                harms.push(Harm::KillBroker { down_ms: rng.u64(50..2_000) });
            }
            harms.push(Harm::PauseBroker { ms: rng.u64(200..2 * LEASE_MS) });
        } else {
            harms.extend(cluster_harms(rng).into_iter().map(Harm::Cluster));
        }
        harms.push(Harm::Cut);
        rng.shuffle(&mut harms);
        // The times are spread evenly, each moved by a random part.
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
    fn the_same_seed_gives_the_same_plan() {
        let plan = |seed| RunPlan::new(seed, RunSettings::SHORT);
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7).jobs, plan(8).jobs);
        assert_ne!(plan(7).faults, plan(8).faults);
    }

    #[test]
    fn a_plan_has_all_scripts_and_faults_in_order_of_time() {
        let plan = RunPlan::new(1, RunSettings::SHORT);
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
    fn a_plan_for_a_cluster_has_all_faults_of_servers_and_no_kill_of_the_only_one() {
        let plan = RunPlan::new(1, RunSettings { servers: 3, ..RunSettings::SHORT });
        let of_servers = |f: &&PlannedFault| matches!(f.harm, Harm::Cluster(_));
        assert_eq!(plan.faults.iter().filter(of_servers).count(), 8);
        let of_one = |h: Harm| matches!(h, Harm::KillBroker { .. } | Harm::PauseBroker { .. });
        assert!(!plan.faults.iter().any(|fault| of_one(fault.harm)));
        assert!(plan.faults.is_sorted_by_key(|fault| fault.at_ms));
        let text = serde_json::to_string(&plan).expect("writes");
        assert_eq!(serde_json::from_str::<RunPlan>(&text).expect("reads"), plan);
    }

    #[test]
    fn a_plan_is_read_back_from_its_file() {
        let plan = RunPlan::new(3, RunSettings { jobs: 50, ..RunSettings::SHORT });
        let text = serde_json::to_string(&plan).expect("writes");
        assert_eq!(serde_json::from_str::<RunPlan>(&text).expect("reads"), plan);
    }
}
