//! [`QueueBound`]: how many jobs and bytes a queue may store before it refuses new jobs.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// The bound of a queue. A queue that has reached it refuses new jobs. Jobs that it stores already stay:
/// their retries are stored in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueBound {
    /// At most this many jobs: pending, running and waiting. `None` for no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_jobs: Option<NonZeroU64>,
    /// At most this many bytes. `None` for no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<NonZeroU64>,
}

/// What a queue stores, or what one job adds to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueSize {
    /// Jobs that are pending, running or waiting.
    pub jobs: u64,
    /// The bytes of their messages.
    pub bytes: u64,
}

impl QueueSize {
    /// The size after `other` is added.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            jobs: self.jobs.saturating_add(other.jobs),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

impl QueueBound {
    /// Whether the queue has a bound.
    pub fn is_set(&self) -> bool {
        self.max_jobs.is_some() || self.max_bytes.is_some()
    }

    /// Whether a queue of this size takes another job. The last job that it takes may pass `max_bytes`.
    pub fn has_room(&self, size: QueueSize) -> bool {
        let below = |max: Option<NonZeroU64>, now| max.is_none_or(|max| now < max.get());
        below(self.max_jobs, size.jobs) && below(self.max_bytes, size.bytes)
    }
}

impl fmt::Display for QueueBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.max_jobs, self.max_bytes) {
            (Some(jobs), Some(bytes)) => write!(f, "at most {jobs} jobs and {bytes} bytes"),
            (Some(jobs), None) => write!(f, "at most {jobs} jobs"),
            (None, Some(bytes)) => write!(f, "at most {bytes} bytes"),
            (None, None) => f.write_str("no bound"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_room_until_it_reaches_its_bound() {
        let bound = |jobs, bytes| QueueBound {
            max_jobs: NonZeroU64::new(jobs),
            max_bytes: NonZeroU64::new(bytes),
        };
        let size = |jobs, bytes| QueueSize { jobs, bytes };
        for (bound, size, room) in [
            (bound(0, 0), size(u64::MAX, u64::MAX), true),
            (bound(3, 0), size(2, 900), true),
            (bound(3, 0), size(3, 0), false),
            (bound(0, 100), size(9, 99), true),
            (bound(0, 100), size(1, 100), false),
            (bound(3, 100), size(2, 101), false),
        ] {
            assert_eq!(bound.has_room(size), room, "{bound}, {size:?}");
        }
        assert_eq!(bound(3, 100).to_string(), "at most 3 jobs and 100 bytes");
        assert!(!bound(0, 0).is_set() && bound(0, 1).is_set());
    }
}
