//! Final records: kept as long as the job asked for.

use std::time::Duration;

/// A hundred years. The broker counts nanoseconds in 63 bits, and refuses what does not fit: the
/// job could never be settled.
const LONGEST_SECS: u64 = 100 * 365 * 86_400;

/// A lifetime as the broker reads it: whole seconds, one at least.
pub(crate) fn ttl(ttl: Duration) -> String {
    let seconds = ttl.as_secs().saturating_add(u64::from(ttl.subsec_nanos() > 0));
    format!("{}s", seconds.clamp(1, LONGEST_SECS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_rounded_up_to_whole_seconds() {
        for (millis, text) in [(1, "1s"), (1000, "1s"), (1001, "2s"), (3_600_000, "3600s")] {
            assert_eq!(ttl(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_lifetime_beyond_the_brokers_reckoning_is_a_hundred_years() {
        for long in [Duration::from_millis(u64::MAX), Duration::MAX] {
            assert_eq!(ttl(long), "3153600000s");
        }
    }
}
