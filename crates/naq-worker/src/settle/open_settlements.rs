//! [`OpenSettlements`]: which settlements take long. One timer serves all of them. No I/O.

use std::collections::BTreeSet;

/// After how many ticks a settlement takes long. The first tick may come right after it has begun.
const TICKS: usize = 3;

/// The settlements under way.
#[derive(Debug, Default)]
pub(super) struct OpenSettlements {
    /// Their numbers, in the order in which they began.
    numbers: BTreeSet<u64>,
    next: u64,
    /// All that are older than this number take long.
    delayed_below: u64,
    /// The next numbers at the last ticks, the oldest tick first.
    at_ticks: [u64; TICKS - 1],
}

impl OpenSettlements {
    /// A settlement begins. Returns its number.
    pub(super) fn begin(&mut self) -> u64 {
        let number = self.next;
        self.numbers.insert(number);
        self.next += 1;
        number
    }

    /// The settlement has ended. Returns whether it took long.
    pub(super) fn end(&mut self, number: u64) -> bool {
        self.numbers.remove(&number);
        number < self.delayed_below
    }

    /// A tick. Returns how many settlements take long since this tick.
    pub(super) fn tick(&mut self) -> usize {
        let before = std::mem::replace(&mut self.delayed_below, self.at_ticks[0]);
        self.at_ticks.rotate_left(1);
        self.at_ticks[TICKS - 2] = self.next;
        self.numbers.range(before..self.delayed_below).count()
    }

    /// Whether none is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settlement_takes_long_from_the_third_tick_on_and_counts_once() {
        let mut open = OpenSettlements::default();
        let (slow, fast) = (open.begin(), open.begin());
        assert_eq!((open.tick(), open.tick()), (0, 0));
        assert!(!open.end(fast));
        let young = open.begin();
        assert_eq!((open.tick(), open.tick()), (1, 0));
        assert!(open.end(slow) && !open.end(young));
        assert!(open.is_empty());
    }
}
