//! The plan of the operators' deeds: which, and when. It is a pure function of seed, settings and
//! jobs.

use naq_core::Job;
use serde::{Deserialize, Serialize};

use crate::deed::Deed;
use crate::job::{BlockingJob, ScriptedJob};
use crate::script::Script;
use crate::settings::{PlannedJob, QUEUES, RunSettings};

/// A deed of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedDeed {
    /// When an operator begins it, in milliseconds from the start.
    pub at_ms: u64,
    /// The deed.
    pub deed: Deed,
}

/// One of this many jobs is cancelled, shortly after it is sent.
const CANCEL_ONE_OF: u32 = 60;
/// One of this many jobs that wait or run for a while is cancelled meanwhile.
const CANCEL_SLOW_ONE_OF: u32 = 4;
/// One of this many jobs is removed.
const PURGE_ONE_OF: u32 = 250;
/// One of this many jobs is removed by a purge of its subject.
const PURGE_SUBJECT_ONE_OF: u32 = 1_000;
/// One of this many jobs that die by their script is requeued.
const REQUEUE_ONE_OF: u32 = 5;
/// One of this many jobs that die by their script has its dead letter removed.
const PURGE_DEAD_ONE_OF: u32 = 20;

/// The deeds of a run, in the order in which they begin.
pub(crate) fn deeds(seed: u64, settings: &RunSettings, jobs: &[PlannedJob]) -> Vec<PlannedDeed> {
    // Its own numbers: a seed gives the same jobs and faults with any deeds.
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x6f70_6572_6174_6f72);
    let mut deeds: Vec<_> = jobs.iter().filter_map(|job| job_deed(&mut rng, job)).collect();
    let (rounds, length) = settings.rounds();
    for round in 0..rounds {
        deeds.extend(round_deeds(&mut rng, round, length));
    }
    deeds.retain(|deed| deed.at_ms < settings.duration_ms);
    deeds.sort_by_key(|deed| deed.at_ms);
    deeds
}

/// At most one deed for a job. Jobs that abort their process are left alone.
fn job_deed(rng: &mut fastrand::Rng, job: &PlannedJob) -> Option<PlannedDeed> {
    let mut one_of = |n: u32| rng.u32(..n) == 0;
    let id = || job.id.clone();
    let slow = matches!(job.script, Script::Slow { .. } | Script::Blocking { .. });
    let (deed, least, most) = match job.script {
        Script::Crash | Script::Poison => return None,
        Script::FailAlways | Script::Fatal | Script::Ignored if one_of(REQUEUE_ONE_OF) => {
            (Deed::Requeue { job: id() }, 3_000, 8_000)
        }
        Script::FailAlways | Script::Fatal | Script::Ignored if one_of(PURGE_DEAD_ONE_OF) => {
            (Deed::PurgeDead { job: id() }, 3_000, 8_000)
        }
        _ if (slow || job.delay_ms > 0) && one_of(CANCEL_SLOW_ONE_OF) => {
            let most = job.delay_ms.max(millis(job.script.takes()));
            (Deed::Cancel { job: id() }, 20, most)
        }
        _ if one_of(PURGE_ONE_OF) => (Deed::PurgeJob { job: id() }, 5, 800),
        _ if one_of(PURGE_SUBJECT_ONE_OF) => (Deed::PurgeSubject { job: id() }, 5, 300),
        _ if one_of(CANCEL_ONE_OF) => (Deed::Cancel { job: id() }, 2, 1_000),
        _ => return None,
    };
    Some(PlannedDeed { at_ms: job.send_at_ms + rng.u64(least..=most.max(least)), deed })
}

/// The deeds for whole queues. A consumer is deleted while faults may happen, because the deliveries
/// of that time are made again.
fn round_deeds(rng: &mut fastrand::Rng, round: u64, length: u64) -> Vec<PlannedDeed> {
    let streams = ["NAQ_RECORDS", "NAQ_DEAD", "NAQ_STATE", "NAQ_Q_faults-a", "NAQ_Q_faults-b"];
    let queue = |rng: &mut fastrand::Rng| QUEUES[rng.usize(..QUEUES.len())].to_owned();
    let task =
        |rng: &mut fastrand::Rng| [ScriptedJob::NAME, BlockingJob::NAME][rng.usize(..2)].to_owned();
    let mut deeds = vec![
        (0.9, Deed::PauseQueue { queue: queue(rng), ms: rng.u64(500..3_000) }),
        (0.9, Deed::PauseTask { queue: queue(rng), task: task(rng), ms: rng.u64(500..3_000) }),
        (
            0.9,
            Deed::LimitQueue { queue: queue(rng), limit: rng.u64(4..24), ms: rng.u64(500..4_000) },
        ),
        (0.9, Deed::PurgeTask { queue: queue(rng), task: BlockingJob::NAME.to_owned() }),
        (0.9, Deed::EditStream { stream: streams[rng.usize(..2)].to_owned() }),
        (0.9, Deed::EditStream { stream: streams[rng.usize(2..streams.len())].to_owned() }),
        (0.7, Deed::DeleteConsumer { queue: queue(rng) }),
    ];
    if round.is_multiple_of(2) {
        deeds.push((0.7, Deed::PurgeQueue { queue: queue(rng) }));
    }
    let mut at = |latest: f64| {
        let span = (length as f64 * latest) as u64;
        round * length + rng.u64(length / 20..span.max(length / 20 + 1))
    };
    deeds.into_iter().map(|(latest, deed)| PlannedDeed { at_ms: at(latest), deed }).collect()
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::plan::{RunPlan, RunSettings};

    #[test]
    fn a_run_of_two_rounds_has_every_deed_in_the_order_of_time() {
        let plan = RunPlan::new(1, RunSettings { duration_ms: 60_000, ..RunSettings::SHORT });
        let names: BTreeSet<_> = plan.deeds.iter().map(|planned| planned.deed.name()).collect();
        assert_eq!(names.len(), 12, "{names:?}");
        assert!(plan.deeds.is_sorted_by_key(|planned| planned.at_ms));
        let jobs: Vec<_> = plan.deeds.iter().filter_map(|planned| planned.deed.job()).collect();
        let distinct: BTreeSet<_> = jobs.iter().collect();
        assert!(jobs.len() > 100 && jobs.len() == distinct.len(), "{}", jobs.len());
    }
}
