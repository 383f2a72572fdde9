//! How long a queue stood still after its leader was killed, with what the broker alone needed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::history::RunHistory;
use crate::ledger::ElectionEntry;
use crate::plan::RunPlan;

/// A pause that begins later than this after the new leader is another one.
const AFTER_ELECTION_MS: u64 = 2_000;

/// One killed leader of a queue. All times are in milliseconds from the kill.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stall {
    /// The queue.
    pub queue: String,
    /// Until the queue's stream and its consumer had a new leader.
    pub broker_ms: u64,
    /// The end of the longest pause between two acknowledged jobs of the queue.
    pub enqueue_ms: u64,
    /// The end of the longest pause between two starts of handlers of the queue.
    pub start_ms: u64,
}

/// The stalls of a run, in the order of the kills.
pub(super) fn stalls(plan: &RunPlan, history: &RunHistory) -> Vec<Stall> {
    let mut acks: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut starts: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for job in &plan.jobs {
        let acked = history.sent.get(&job.id).and_then(|sent| sent.acked);
        acks.entry(&job.queue).or_default().extend(acked);
        let runs = history.runs(&job.id).iter().map(|run| run.start);
        starts.entry(&job.queue).or_default().extend(runs);
    }
    let of = |times: &BTreeMap<&str, Vec<u64>>, election: &ElectionEntry| {
        let times = times.get(&*election.queue).cloned().unwrap_or_default();
        longest(times, election)
    };
    let stall = |election: &ElectionEntry| Stall {
        queue: election.queue.clone(),
        broker_ms: election.broker_ms,
        enqueue_ms: of(&acks, election),
        start_ms: of(&starts, election),
    };
    history.elections.iter().map(stall).collect()
}

/// The end of the longest pause after the kill, from the kill on.
fn longest(mut times: Vec<u64>, election: &ElectionEntry) -> u64 {
    times.sort_unstable();
    let last_begin = election.at + election.broker_ms + AFTER_ELECTION_MS;
    let pauses = times.windows(2).filter_map(|pair| match pair {
        [from, to] if *to > election.at && *from <= last_begin => {
            Some((to - from, to - election.at))
        }
        _ => None,
    });
    pauses.max().map_or(0, |(_, end)| end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pause_after_a_kill_is_found() {
        let election = ElectionEntry { queue: "q".into(), at: 1_000, broker_ms: 4_000 };
        let longest = |times: &[u64]| longest(times.to_vec(), &election);
        assert_eq!(longest(&[0, 900, 1_050, 5_400, 7_500, 30_000]), 4_400);
        assert_eq!(longest(&[5_400, 900, 0]), 4_400);
        assert_eq!(longest(&[0, 900]), 0);
    }
}
