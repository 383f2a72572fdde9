//! [`Debounce`] and throttles: many enqueues of one key, and one job.

use std::time::Duration;

use super::limit_text::split;
use super::unique::{MAX_UNIQUE_KEY, Unique};
use crate::clock::Timestamp;
use crate::names::TaskName;
use crate::retry::read_duration;

/// How long before its due time a waiting job is not replaced any more. The broker moves a waiting job to
/// the queue shortly before its time (350 ms), and does not check again what it has read: a job that is
/// replaced in between starts twice, so a transport replaces none in the second before that. A debounced
/// job is due this much later than its last enqueue asks for.
pub const DEBOUNCE_MARGIN: Duration = Duration::from_millis(1400);

const FORM: &str = "use KEY=DURATION, such as index-7=5s";

/// Enqueues of one key become one job, which starts when no enqueue has come for a while. The last
/// enqueue gives the arguments and options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debounce {
    /// The key, among the jobs of one task in one queue.
    pub key: String,
    /// How long after the last enqueue the job starts.
    pub wait: Duration,
    /// How long after the first enqueue the job starts, even if more come. `None` for no bound.
    pub max_wait: Option<Duration>,
}

impl Debounce {
    /// Waits this long after the last enqueue, without a bound.
    pub fn new(key: impl Into<String>, wait: Duration) -> Self {
        Self { key: key.into(), wait, max_wait: None }
    }

    /// Reads `KEY=WAIT`.
    ///
    /// # Errors
    /// A sentence that says the form, or what is out of range.
    pub fn read(text: &str) -> Result<Self, String> {
        let (key, wait) = read_key_and_time(text)?;
        let read = Self::new(key, wait);
        read.check().map(|()| read)
    }

    /// Checks that key and times are within bounds.
    ///
    /// # Errors
    /// A sentence that says what is invalid and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let Self { key, wait, max_wait } = self;
        check_key("debounce", key)?;
        if wait.is_zero() {
            return Err(format!("debounce {key:?}: its wait is 0, use 1 ms or more"));
        }
        match max_wait {
            Some(longest) if longest < wait => {
                Err(format!("debounce {key:?}: max_wait is shorter than the wait"))
            }
            _ => Ok(()),
        }
    }

    /// The unique key of the job: it holds the key until it starts. Keys of other options do not collide
    /// with it.
    pub fn unique(&self, task: &TaskName) -> Unique {
        Unique::until_started(format!("debounce:{task}:{}", self.key))
    }

    /// When the job is due, if its first enqueue was at `first` and its last one is at `now`.
    pub fn due_at(&self, first: Timestamp, now: Timestamp) -> Timestamp {
        let latest = self.max_wait.map(|longest| first + longest);
        let asked = latest.map_or(now + self.wait, |latest| latest.min(now + self.wait));
        asked.max(now) + DEBOUNCE_MARGIN
    }
}

/// Whether a waiting job with this due time may still be replaced.
pub fn may_replace(due_at: Timestamp, now: Timestamp) -> bool {
    due_at > now + DEBOUNCE_MARGIN
}

/// The unique key of a throttled job: at most one job of this task and key starts its life in each
/// `every`.
///
/// # Errors
/// A sentence that says what is invalid and what is allowed.
pub fn throttle(task: &TaskName, key: &str, every: Duration) -> Result<Unique, String> {
    check_key("throttle", key)?;
    if every.is_zero() {
        return Err(format!("throttle {key:?}: its time is 0, use 1 s or more"));
    }
    Ok(Unique::for_time(format!("throttle:{task}:{key}"), every))
}

/// Reads `KEY=EVERY` of a throttle.
///
/// # Errors
/// A sentence that says the form.
pub fn read_throttle(text: &str) -> Result<(String, Duration), String> {
    let (key, every) = read_key_and_time(text)?;
    Ok((key.to_owned(), every))
}

fn read_key_and_time(text: &str) -> Result<(&str, Duration), String> {
    split(text).and_then(|(key, time)| Some((key, read_duration(time)?))).ok_or(FORM.to_owned())
}

/// The key with the task's name is one unique key, so both together have its bound.
fn check_key(what: &str, key: &str) -> Result<(), String> {
    if key.is_empty() || key.len() > MAX_UNIQUE_KEY {
        let start: String = key.chars().take(40).collect();
        return Err(format!("{what} key {start:?}: use 1 to {MAX_UNIQUE_KEY} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn each_enqueue_moves_the_due_time_and_max_wait_ends_that() {
        let plain = Debounce::new("a", secs(5));
        let bounded = Debounce { max_wait: Some(secs(12)), ..plain.clone() };
        for (now, free, bound) in
            [(100, 105, 105), (104, 109, 109), (109, 114, 112), (130, 135, 130)]
        {
            assert_eq!(plain.due_at(at(100), at(now)), at(free) + DEBOUNCE_MARGIN, "{now}");
            assert_eq!(bounded.due_at(at(100), at(now)), at(bound) + DEBOUNCE_MARGIN, "{now}");
        }
        let forever =
            Debounce { max_wait: Some(Duration::MAX), ..Debounce::new("a", Duration::MAX) };
        assert!(forever.due_at(at(1), at(1)) > at(1_000_000));
    }

    #[test]
    fn a_job_is_replaced_until_its_wait_is_over() {
        let due_at = Debounce::new("a", secs(5)).due_at(at(100), at(100));
        assert!(may_replace(due_at, at(104)));
        assert!(!may_replace(due_at, at(105)));
    }

    #[test]
    fn texts_are_read_and_other_texts_and_bounds_are_refused() {
        assert_eq!(Debounce::read("a=b=5s"), Ok(Debounce::new("a=b", secs(5))));
        assert_eq!(read_throttle("a=1m"), Ok(("a".to_owned(), secs(60))));
        for bad in ["", "a", "=5s", "a=", "a=0s", "a=x"] {
            assert!(Debounce::read(bad).is_err(), "{bad}");
        }
        let short = Debounce { max_wait: Some(secs(4)), ..Debounce::new("a", secs(5)) };
        assert!(short.check().is_err());
        let task = TaskName::new("t").expect("a name");
        assert!(throttle(&task, "", secs(1)).is_err() && throttle(&task, "a", secs(0)).is_err());
        assert_ne!(throttle(&task, "a", secs(1)).expect("valid").key, short.unique(&task).key);
    }
}
