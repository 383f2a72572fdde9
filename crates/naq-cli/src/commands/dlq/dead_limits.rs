//! [`DeadLimits`]: how many dead letters of a queue may stay, and which go.

use std::time::Duration;

use naq_core::Timestamp;

/// The limits of the dead letters of one queue. The oldest letters go first, until all limits hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct DeadLimits {
    pub(super) max_age: Option<Duration>,
    pub(super) max_count: Option<u64>,
    pub(super) max_bytes: Option<u64>,
}

/// The letters that are left, while the oldest go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LettersLeft {
    pub(super) count: u64,
    pub(super) bytes: u64,
}

impl LettersLeft {
    pub(super) fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes as u64;
    }

    pub(super) fn remove(&mut self, bytes: usize) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes as u64);
    }
}

impl DeadLimits {
    /// True if the oldest letter, which the broker stored at `stored_at`, has to go.
    pub(super) fn are_exceeded(
        &self,
        left: &LettersLeft,
        stored_at: Timestamp,
        now: Timestamp,
    ) -> bool {
        self.max_age.is_some_and(|max| now.since(stored_at) > max)
            || self.max_count.is_some_and(|max| left.count > max)
            || self.max_bytes.is_some_and(|max| left.bytes > max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of ten letters of 100 bytes go. The first is 10 hours old, the last one hour.
    fn gone(limits: DeadLimits) -> usize {
        let hours = |n: u64| Timestamp::from_millis(n * 3_600_000);
        let mut left = LettersLeft::default();
        (0..10).for_each(|_| left.add(100));
        let goes = |n: &u64| {
            let goes = limits.are_exceeded(&left, hours(*n), hours(10));
            if goes {
                left.remove(100);
            }
            goes
        };
        (0..10).take_while(goes).count()
    }

    #[test]
    fn the_oldest_letters_go_until_all_limits_hold() {
        let hour = Duration::from_secs(3_600);
        let (max_age, max_count, max_bytes) = (Some(hour * 8), Some(7), Some(450));
        for (limits, expected) in [
            (DeadLimits::default(), 0),
            (DeadLimits { max_age, ..DeadLimits::default() }, 2),
            (DeadLimits { max_count, ..DeadLimits::default() }, 3),
            (DeadLimits { max_bytes, ..DeadLimits::default() }, 6),
            (DeadLimits { max_age, max_count, max_bytes: None }, 3),
            (DeadLimits { max_age, max_count, max_bytes }, 6),
            (DeadLimits { max_count: Some(0), ..DeadLimits::default() }, 10),
        ] {
            assert_eq!(gone(limits), expected, "{limits:?}");
        }
    }
}
