//! [`Standstill`]: whether this process stood still lately, so that leases may have ended without its notice.
//!
//! A process that is stopped, or gets no time from a busy machine, learns nothing meanwhile. When it goes on, it
//! has deliveries whose leases are over, and others that the broker sent before and has given to another worker
//! since. The loop that renews leases knows when it must run next. If it is late, the process stood still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use naq_core::Timestamp;

/// When the loop that renews the leases of a queue has to run, and when it was late.
#[derive(Debug, Default)]
pub(crate) struct Standstill {
    /// 0 before the first round.
    round_at: AtomicU64,
    /// The end of the last standstill. 0 if there was none.
    ended_at: AtomicU64,
}

impl Standstill {
    /// The next round is at this time.
    pub(crate) fn expect_round(&self, at: Timestamp) {
        self.round_at.store(at.as_millis(), Ordering::Relaxed);
    }

    /// A round begins that the process itself delayed until now.
    pub(crate) fn round_was_late(&self, now: Timestamp) {
        self.ended_at.store(now.as_millis(), Ordering::Relaxed);
    }

    /// Whether a delivery that is here now may be one of a lease that ended while the process stood still.
    /// What the broker sent before arrives right after, so this lasts for one more lease.
    pub(crate) fn is_recent(&self, now: Timestamp, lease: Duration) -> bool {
        let at = |time: &AtomicU64| Timestamp::from_millis(time.load(Ordering::Relaxed));
        let (round, ended) = (at(&self.round_at), at(&self.ended_at));
        let none = Timestamp::default();
        let is_late = round != none && now >= round + slack(lease);
        is_late || (ended != none && now < ended + lease)
    }
}

/// How late a round may be on a busy machine. Leases are renewed every third of their time, so less than this
/// ends none.
pub(crate) fn slack(lease: Duration) -> Duration {
    lease / 3
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(3);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn a_round_that_does_not_come_is_a_standstill_until_a_lease_after_it_has_come() {
        let standstill = Standstill::default();
        assert!(!standstill.is_recent(at(0), LEASE), "before the first round");
        standstill.expect_round(at(1_000));
        assert!(!standstill.is_recent(at(1_999), LEASE));
        assert!(standstill.is_recent(at(2_000), LEASE));
        standstill.round_was_late(at(7_000));
        standstill.expect_round(at(8_000));
        assert!(standstill.is_recent(at(7_001), LEASE));
        standstill.expect_round(at(10_500));
        assert!(standstill.is_recent(at(9_999), LEASE));
        assert!(!standstill.is_recent(at(10_000), LEASE));
    }
}
