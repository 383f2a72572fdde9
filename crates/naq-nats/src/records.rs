//! Final records: kept as long as the job asked for.

use std::time::Duration;

/// A lifetime as the broker reads it: whole seconds, one at least.
pub(crate) fn ttl(ttl: Duration) -> String {
    let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
    format!("{}s", seconds.max(1))
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
}
