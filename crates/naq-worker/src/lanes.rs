//! Which queue the next job comes from: a pure choice over what waits of each.
//!
//! Without weights all queues wait in one lane, first come, first served. With weights each has a
//! lane and a pass that grows with every start, the slower the greater its weight; the lane with the
//! smallest pass is next (stride scheduling). With strict priority the first lane that has something
//! is next, and a later one only while it is known that those before it have nothing.

use std::collections::VecDeque;

/// What a start adds to the pass of a lane of weight 1.
const STRIDE: u64 = 1 << 20;

/// How the queues of a worker share its slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sharing {
    /// First come, first served.
    #[default]
    FirstCome,
    /// By weight.
    Weighted,
    /// The first queue first.
    Strict,
}

/// What waits for a slot, by queue.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    sharing: Sharing,
    lanes: Vec<Lane<T>>,
    /// The pass of the last start: who comes back after a pause goes on from here, and makes up for
    /// nothing.
    clock: u64,
}

#[derive(Debug)]
struct Lane<T> {
    weight: u32,
    pass: u64,
    waiting: VecDeque<T>,
    /// Jobs that its queue is being asked for.
    asked: usize,
    /// It was asked, and has nothing.
    dry: bool,
}

impl<T> Lanes<T> {
    /// One lane for each weight; first come, first served, one for all.
    pub(crate) fn new(sharing: Sharing, weights: impl IntoIterator<Item = u32>) -> Self {
        let lane =
            |weight| Lane { weight, pass: 0, waiting: VecDeque::new(), asked: 0, dry: false };
        let lanes = match sharing {
            Sharing::FirstCome => vec![lane(1)],
            _ => weights.into_iter().map(lane).collect(),
        };
        Self { sharing, lanes, clock: 0 }
    }

    /// The lane of a worker's queue.
    pub(crate) fn lane(&self, queue: usize) -> usize {
        if self.sharing == Sharing::FirstCome { 0 } else { queue }
    }

    /// How many lanes there are.
    pub(crate) fn count(&self) -> usize {
        self.lanes.len()
    }

    /// How many jobs wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.waiting.len()).sum()
    }

    pub(crate) fn push(&mut self, lane: usize, jobs: impl IntoIterator<Item = T>) {
        let lane = &mut self.lanes[lane];
        let before = lane.waiting.len();
        lane.waiting.extend(jobs);
        if lane.waiting.len() > before {
            if lane.dry {
                lane.pass = lane.pass.max(self.clock);
            }
            lane.dry = false;
        }
    }

    /// The next job; none when nothing waits, or what waits must not start yet.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let waiting = |lane: &&Lane<T>| !lane.waiting.is_empty();
        let next = match self.sharing {
            Sharing::FirstCome => self.lanes.first_mut()?,
            Sharing::Strict => self.lanes.iter_mut().find(|l| !l.dry || !l.waiting.is_empty())?,
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

    /// Everything that waits, in any order.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        self.lanes.iter_mut().flat_map(|lane| lane.waiting.drain(..)).collect()
    }

    /// How many more jobs to ask this lane's queue for, with so many slots free, and so many jobs
    /// that may wait although none is. Zero when it is better to wait.
    pub(crate) fn wants(&self, lane: usize, free: usize, ahead: usize) -> usize {
        let me = &self.lanes[lane];
        // Of the lanes that come before this one as much as of itself.
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
            Sharing::Strict if before[..lane].iter().all(|lane| lane.dry) => room,
            Sharing::Strict => 0,
            // Whoever is likely to have nothing is asked beside the others.
            Sharing::Weighted if me.dry => room,
            Sharing::Weighted => self.share(lane, free + ahead).min(room),
        }
    }

    /// What this lane lacks of its part of so many places, of which others are being asked for some.
    /// The one with the smallest pass has one more, so that one place is for it.
    fn share(&self, lane: usize, places: usize) -> usize {
        let me = &self.lanes[lane];
        let live = || self.lanes.iter().enumerate().filter(|(_, lane)| !lane.dry);
        let asked: usize = live().filter(|(i, _)| *i != lane).map(|(_, other)| other.asked).sum();
        let left = places.saturating_sub(asked + self.waiting());
        let weights: u64 = live().map(|(_, lane)| u64::from(lane.weight)).sum();
        let part = places.saturating_sub(1) as u64 * u64::from(me.weight) / weights.max(1);
        let first = live().filter(|(_, lane)| lane.asked == 0).min_by_key(|(_, lane)| lane.pass);
        let first = first.is_some_and(|(i, _)| i == lane);
        let part = usize::try_from(part).unwrap_or(usize::MAX) + usize::from(first);
        part.saturating_sub(me.waiting.len()).min(left)
    }

    /// The lane's queue is being asked for so many.
    pub(crate) fn asks(&mut self, lane: usize, jobs: usize) {
        self.lanes[lane].asked = jobs;
    }

    /// The lane's queue is not being asked any more.
    pub(crate) fn asked(&mut self, lane: usize) {
        self.lanes[lane].asked = 0;
    }

    /// Whether the lane's queue is being asked.
    pub(crate) fn is_asked(&self, lane: usize) -> bool {
        self.lanes[lane].asked > 0
    }

    /// The lane's queue was asked, and has nothing.
    pub(crate) fn is_dry(&mut self, lane: usize) {
        let lane = &mut self.lanes[lane];
        lane.dry = lane.waiting.is_empty();
    }

    /// Nobody asks the lane's queue now: with strict priority it is not known what it has.
    pub(crate) fn is_unknown(&mut self, lane: usize) {
        if self.sharing == Sharing::Strict {
            self.lanes[lane].dry = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives every free slot away, refilling the lanes that have something as their feeds would.
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
                    let wanted = lanes.wants(queue, free, 0);
                    let brought = wanted.min(*left);
                    lanes.push(queue, vec![queue; brought]);
                    *left -= brought;
                    if wanted > 0 && brought == 0 {
                        lanes.is_dry(queue);
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
    fn with_weights_nobody_starves() {
        let mut lanes = Lanes::new(Sharing::Weighted, [1000, 1]);
        let started = run(&mut lanes, &mut [100_000; 2], 1, 5005);
        assert!((4..=6).contains(&started[1]), "{started:?}");
    }

    #[test]
    fn strictly_a_low_job_starts_only_when_nothing_higher_waits() {
        let mut lanes = Lanes::new(Sharing::Strict, [1, 1]);
        lanes.push(1, ["low", "low"]);
        assert_eq!(lanes.pop(), None, "it is not known yet what the first has");
        lanes.push(0, ["high"]);
        assert_eq!(lanes.pop(), Some("high"));
        assert_eq!(lanes.pop(), None, "there may be more");
        lanes.is_dry(0);
        assert_eq!(lanes.pop(), Some("low"));
        lanes.is_unknown(0);
        assert_eq!(lanes.pop(), None);
    }

    #[test]
    fn strictly_lower_queues_are_asked_once_the_higher_have_nothing() {
        let mut lanes = Lanes::new(Sharing::Strict, [1, 1]);
        assert_eq!((lanes.wants(0, 4, 0), lanes.wants(1, 4, 0)), (4, 0));
        lanes.is_dry(0);
        assert_eq!((lanes.wants(0, 4, 0), lanes.wants(1, 4, 0)), (4, 4));
        // What waits of a lower queue keeps nobody from asking a higher one.
        lanes.push(1, ["low"; 4]);
        assert_eq!((lanes.wants(0, 4, 0), lanes.wants(1, 4, 0)), (4, 0));
        let started = run(&mut Lanes::new(Sharing::Strict, [1, 1]), &mut [30, 100], 5, 10);
        assert_eq!(started, [30, 20]);
    }

    #[test]
    fn a_slot_that_is_free_asks_one_queue_and_the_next_when_that_has_nothing() {
        let mut lanes = Lanes::<()>::new(Sharing::Weighted, [1, 1]);
        assert_eq!((lanes.wants(0, 1, 0), lanes.wants(1, 1, 0)), (1, 0));
        lanes.asks(0, 1);
        assert_eq!(lanes.wants(1, 1, 0), 0);
        lanes.is_dry(0);
        assert_eq!(lanes.wants(1, 1, 0), 1);
    }

    #[test]
    fn first_come_first_served_has_one_lane_for_all() {
        let mut lanes = Lanes::new(Sharing::FirstCome, [6, 1]);
        assert_eq!((lanes.lane(1), lanes.count()), (0, 1));
        lanes.push(0, ["a", "b"]);
        assert_eq!((lanes.wants(0, 5, 0), lanes.wants(0, 2, 0), lanes.wants(0, 2, 10)), (3, 0, 10));
        assert_eq!(lanes.wants(0, 0, 3), 0, "more than half of what may wait does");
        assert_eq!((lanes.pop(), lanes.pop(), lanes.pop()), (Some("a"), Some("b"), None));
    }
}
