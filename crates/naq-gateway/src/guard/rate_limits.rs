//! [`RateLimits`]: how much each key has sent lately.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use naq_core::Timestamp;
use naq_core::sync::lock;

/// What a key may still send. It refills by `rate` in a second, up to the amount of one second. A request
/// with many jobs may take more than there is; the key then waits until the debt is paid.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Timestamp,
}

impl Bucket {
    fn full(rate: u32, now: Timestamp) -> Self {
        Self { left: f64::from(rate), at: now }
    }

    fn refill(&mut self, rate: u32, now: Timestamp) {
        let more = now.since(self.at).as_secs_f64() * f64::from(rate);
        self.left = (self.left + more).min(f64::from(rate));
        self.at = now;
    }

    /// Takes one, or says how long until there is one.
    fn take_one(&mut self, rate: u32, now: Timestamp) -> Result<(), Duration> {
        self.refill(rate, now);
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / f64::from(rate)));
        }
        self.left -= 1.0;
        Ok(())
    }
}

/// How much each key has sent lately, by the name of the key.
#[derive(Debug, Default)]
pub(crate) struct RateLimits(Mutex<HashMap<String, Bucket>>);

impl RateLimits {
    /// Counts one request.
    ///
    /// # Errors
    /// The time after which the caller may send it.
    pub(crate) fn admit(&self, name: &str, rate: u32, now: Timestamp) -> Result<(), Duration> {
        let mut buckets = lock(&self.0);
        let bucket = buckets.entry(name.to_owned()).or_insert_with(|| Bucket::full(rate, now));
        bucket.take_one(rate, now)
    }

    /// Counts `more` jobs of a request that was admitted.
    pub(crate) fn charge(&self, name: &str, more: usize) {
        if let Some(bucket) = lock(&self.0).get_mut(name) {
            // A request has some thousand jobs at most.
            bucket.left -= f64::from(u32::try_from(more).unwrap_or(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn a_key_sends_its_rate_and_then_waits() {
        let limits = RateLimits::default();
        assert!(limits.admit("web", 2, at(0)).is_ok());
        assert!(limits.admit("web", 2, at(0)).is_ok());
        assert_eq!(limits.admit("web", 2, at(0)), Err(Duration::from_millis(500)));
        assert!(limits.admit("other", 2, at(0)).is_ok(), "each key has its own rate");
        assert!(limits.admit("web", 2, at(500)).is_ok());
        assert!(limits.admit("web", 2, at(600)).is_err());
        for n in 0..2 {
            assert!(limits.admit("web", 2, at(60_000)).is_ok(), "{n}: a pause saves up one second");
        }
        assert!(limits.admit("web", 2, at(60_000)).is_err());
    }

    #[test]
    fn many_jobs_in_one_request_are_paid_back() {
        let limits = RateLimits::default();
        assert!(limits.admit("web", 10, at(0)).is_ok());
        limits.charge("web", 99);
        assert_eq!(limits.admit("web", 10, at(0)), Err(Duration::from_millis(9_100)));
        assert!(limits.admit("web", 10, at(9_100)).is_ok());
    }
}
