//! [`Lanes`]: which queue the next job comes from. No I/O.
//!
//! Without weights all queues share one lane, first come, first served. With weights each queue has
//! a lane, and each lane has a number, its *pass*. Every start from a lane makes its pass larger; a
//! greater weight makes it grow more slowly. The lane with the smallest pass is next (stride
//! scheduling). With strict priority the first lane that has a job is next. A later lane is next
//! only while all lanes before it are known to be empty.

use std::collections::VecDeque;

/// What a start adds to the pass of a lane of weight 1.
const STRIDE: u64 = 1 << 20;

/// How the queues of a worker share its slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sharing {
    /// First come, first served.
    #[default]
    FirstCome,
    /// In proportion to their weights.
    Weighted,
    /// In their order: a later queue only while those before it are empty.
    Strict,
}

/// The jobs that wait for a slot, by queue.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    sharing: Sharing,
    lanes: Vec<Lane<T>>,
    /// The pass of the last start. A lane that was empty continues from this pass, and does not
    /// make up for the starts that it missed.
    clock: u64,
}

#[derive(Debug)]
struct Lane<T> {
    weight: u32,
    pass: u64,
    waiting: VecDeque<T>,
    /// The number of jobs that its queue is being asked for.
    requested: usize,
    /// Its queue was asked, and had no job.
    queue_empty: bool,
}

impl<T> Lanes<T> {
    /// One lane for each weight. With [`Sharing::FirstCome`] one lane for all.
    pub(crate) fn new(sharing: Sharing, weights: impl IntoIterator<Item = u32>) -> Self {
        let lane = |weight| Lane {
            weight,
            pass: 0,
            waiting: VecDeque::new(),
            requested: 0,
            queue_empty: false,
        };
        let lanes = match sharing {
            Sharing::FirstCome => vec![lane(1)],
            _ => weights.into_iter().map(lane).collect(),
        };
        Self { sharing, lanes, clock: 0 }
    }

    /// The lane of a queue, by the queue's index.
    pub(crate) fn lane(&self, queue: usize) -> usize {
        if self.sharing == Sharing::FirstCome { 0 } else { queue }
    }

    /// The number of lanes.
    pub(crate) fn count(&self) -> usize {
        self.lanes.len()
    }

    /// The number of jobs that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.waiting.len()).sum()
    }

    pub(crate) fn push(&mut self, lane: usize, jobs: impl IntoIterator<Item = T>) {
        let lane = &mut self.lanes[lane];
        let before = lane.waiting.len();
        lane.waiting.extend(jobs);
        if lane.waiting.len() > before {
            if lane.queue_empty {
                lane.pass = lane.pass.max(self.clock);
            }
            lane.queue_empty = false;
        }
    }

    /// The next job. None when no job waits, or the jobs that wait must not start yet.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let waiting = |lane: &&Lane<T>| !lane.waiting.is_empty();
        let next = match self.sharing {
            Sharing::FirstCome => self.lanes.first_mut()?,
            Sharing::Strict => {
                self.lanes.iter_mut().find(|l| !l.queue_empty || !l.waiting.is_empty())?
            }
            Sharing::Weighted => {
                let pass = self.lanes.iter().filter(waiting).map(|lane| lane.pass).min()?;
                self.lanes.iter_mut().find(|l| l.pass == pass && !l.waiting.is_empty())?
            }
        };
        let job = next.waiting.pop_front()?;
        self.clock = self.clock.max(next.pass);
        next.pass += STRIDE / u64::from(next.weight);
        Some(job)
    }

    /// All jobs that wait, in any order.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        self.lanes.iter_mut().flat_map(|lane| lane.waiting.drain(..)).collect()
    }

    /// How many more jobs to request from this lane's queue. `free` slots are free, and `ahead`
    /// more jobs may wait for a slot. Zero when this lane must not fetch now.
    pub(crate) fn fetch_size(&self, lane: usize, free: usize, ahead: usize) -> usize {
        let own = &self.lanes[lane];
        // With strict priority, jobs of later lanes do not count.
        let before = match self.sharing {
            Sharing::Strict => &self.lanes[..=lane],
            _ => &self.lanes[..],
        };
        let waiting = before.iter().map(|lane| lane.waiting.len()).sum::<usize>();
        let starving = waiting < free;
        let half_used = ahead > 0 && waiting <= free + ahead / 2;
        if !starving && !half_used {
            return 0;
        }
        let room = (free + ahead).saturating_sub(waiting);
        match self.sharing {
            Sharing::FirstCome => room,
            Sharing::Strict if before[..lane].iter().all(|lane| lane.queue_empty) => room,
            Sharing::Strict => 0,
            // A queue that is likely to be empty is asked in addition to the others.
            Sharing::Weighted if own.queue_empty => room,
            Sharing::Weighted => self.weighted_share(lane, free + ahead).min(room),
        }
    }

    /// How many more jobs this lane may request. Its weight gives it a part of `places`; its
    /// waiting jobs and the requests of other lanes use up places. The lane with the smallest pass
    /// gets one place more, so that it gets the place when only one is free.
    fn weighted_share(&self, lane: usize, places: usize) -> usize {
        let own = &self.lanes[lane];
        let live = || self.lanes.iter().enumerate().filter(|(_, lane)| !lane.queue_empty);
        let requested: usize =
            live().filter(|(i, _)| *i != lane).map(|(_, other)| other.requested).sum();
        let left = places.saturating_sub(requested + self.waiting());
        let weights: u64 = live().map(|(_, lane)| u64::from(lane.weight)).sum();
        let part = places.saturating_sub(1) as u64 * u64::from(own.weight) / weights.max(1);
        let first =
            live().filter(|(_, lane)| lane.requested == 0).min_by_key(|(_, lane)| lane.pass);
        let first = first.is_some_and(|(i, _)| i == lane);
        let part = usize::try_from(part).unwrap_or(usize::MAX) + usize::from(first);
        part.saturating_sub(own.waiting.len()).min(left)
    }

    /// The lane's queue is being asked for this many jobs.
    pub(crate) fn fetch_started(&mut self, lane: usize, jobs: usize) {
        self.lanes[lane].requested = jobs;
    }

    /// The lane's queue is no longer being asked.
    pub(crate) fn fetch_ended(&mut self, lane: usize) {
        self.lanes[lane].requested = 0;
    }

    /// Whether the lane's queue is being asked.
    pub(crate) fn is_fetching(&self, lane: usize) -> bool {
        self.lanes[lane].requested > 0
    }

    /// The lane's queue was asked, and had no job.
    pub(crate) fn mark_empty(&mut self, lane: usize) {
        let lane = &mut self.lanes[lane];
        lane.queue_empty = lane.waiting.is_empty();
    }

    /// The lane's queue is not being asked now, so with strict priority it may have a job.
    pub(crate) fn mark_unknown(&mut self, lane: usize) {
        if self.sharing == Sharing::Strict {
            self.lanes[lane].queue_empty = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills every free slot, and refills the lanes from their backlog as their fetch loops would.
    fn run(
        lanes: &mut Lanes<usize>,
        backlog: &mut [usize],
        slots: usize,
        rounds: usize,
    ) -> Vec<usize> {
        let mut started = vec![0; backlog.len()];
        for _ in 0..rounds {
            let mut free = slots;
            while free > 0 {
                for (queue, left) in backlog.iter_mut().enumerate() {
                    let wanted = lanes.fetch_size(queue, free, 0);
                    let brought = wanted.min(*left);
                    lanes.push(queue, vec![queue; brought]);
                    *left -= brought;
                    if wanted > 0 && brought == 0 {
                        lanes.mark_empty(queue);
                    }
                }
                let Some(queue) = lanes.pop() else { break };
                started[queue] += 1;
                free -= 1;
            }
        }
        started
    }

    #[test]
    fn under_load_the_shares_are_the_weights() {
        for slots in [1, 7, 100] {
            let mut lanes = Lanes::new(Sharing::Weighted, [6, 3, 1]);
            let started = run(&mut lanes, &mut [100_000; 3], slots, 10_000 / slots);
            let all: usize = started.iter().sum();
            for (count, weight) in started.iter().zip([6, 3, 1]) {
                let expected = all * weight / 10;
                assert!(count.abs_diff(expected) <= slots, "{started:?} with {slots} slots");
            }
        }
    }

    #[test]
    fn the_share_of_an_empty_queue_goes_to_the_others_and_is_not_made_up_for() {
        let mut lanes = Lanes::new(Sharing::Weighted, [6, 3, 1]);
        let mut backlog = [0, 100_000, 100_000];
        let started = run(&mut lanes, &mut backlog, 1, 4000);
        assert_eq!(started[0], 0);
        assert!(started[1].abs_diff(3000) <= 2, "{started:?}");
        backlog[0] = 100_000;
        let started = run(&mut lanes, &mut backlog, 1, 1000);
        assert!(started[0].abs_diff(600) <= 2, "{started:?}");
    }

    #[test]
    fn with_weights_no_queue_starves() {
        let mut lanes = Lanes::new(Sharing::Weighted, [1000, 1]);
        let started = run(&mut lanes, &mut [100_000; 2], 1, 5005);
        assert!((4..=6).contains(&started[1]), "{started:?}");
    }

    #[test]
    fn with_strict_priority_a_low_job_starts_only_when_no_higher_job_waits() {
        let mut lanes = Lanes::new(Sharing::Strict, [1, 1]);
        lanes.push(1, ["low", "low"]);
        assert_eq!(lanes.pop(), None, "the first queue may have a job");
        lanes.push(0, ["high"]);
        assert_eq!(lanes.pop(), Some("high"));
        assert_eq!(lanes.pop(), None, "there may be more");
        lanes.mark_empty(0);
        assert_eq!(lanes.pop(), Some("low"));
        lanes.mark_unknown(0);
        assert_eq!(lanes.pop(), None);
    }

    #[test]
    fn with_strict_priority_lower_queues_are_asked_when_the_higher_are_empty() {
        let mut lanes = Lanes::new(Sharing::Strict, [1, 1]);
        assert_eq!((lanes.fetch_size(0, 4, 0), lanes.fetch_size(1, 4, 0)), (4, 0));
        lanes.mark_empty(0);
        assert_eq!((lanes.fetch_size(0, 4, 0), lanes.fetch_size(1, 4, 0)), (4, 4));
        // Jobs of a lower queue do not keep the worker from asking a higher one.
        lanes.push(1, ["low"; 4]);
        assert_eq!((lanes.fetch_size(0, 4, 0), lanes.fetch_size(1, 4, 0)), (4, 0));
        let started = run(&mut Lanes::new(Sharing::Strict, [1, 1]), &mut [30, 100], 5, 10);
        assert_eq!(started, [30, 20]);
    }

    #[test]
    fn for_one_free_slot_one_queue_is_asked_and_the_next_when_it_is_empty() {
        let mut lanes = Lanes::<()>::new(Sharing::Weighted, [1, 1]);
        assert_eq!((lanes.fetch_size(0, 1, 0), lanes.fetch_size(1, 1, 0)), (1, 0));
        lanes.fetch_started(0, 1);
        assert_eq!(lanes.fetch_size(1, 1, 0), 0);
        lanes.mark_empty(0);
        assert_eq!(lanes.fetch_size(1, 1, 0), 1);
    }

    #[test]
    fn first_come_first_served_has_one_lane_for_all() {
        let mut lanes = Lanes::new(Sharing::FirstCome, [6, 1]);
        assert_eq!((lanes.lane(1), lanes.count()), (0, 1));
        lanes.push(0, ["a", "b"]);
        assert_eq!(
            (lanes.fetch_size(0, 5, 0), lanes.fetch_size(0, 2, 0), lanes.fetch_size(0, 2, 10)),
            (3, 0, 10)
        );
        assert_eq!(lanes.fetch_size(0, 0, 3), 0, "more than half of the jobs that may wait do");
        assert_eq!((lanes.pop(), lanes.pop(), lanes.pop()), (Some("a"), Some("b"), None));
    }
}
