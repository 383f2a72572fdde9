//! An alert on the number of deaths: it counts the deaths of a recent period, and fires once when there
//! are too many.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use naq::client::{DeadFilter, DeadSummary};
use naq::{Client, Clock, SystemClock, Timestamp};

use crate::QUEUE;

/// Too many jobs have died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// How many jobs.
    pub deaths: usize,
    /// Within this period.
    pub window: Duration,
    /// By error kind, the most frequent first.
    pub kinds: Vec<(String, usize)>,
}

/// Watches the dead letter queue. It remembers how far it has read, so each check costs one request for
/// any number of letters.
#[derive(Debug)]
pub struct Watcher {
    threshold: usize,
    window: Duration,
    from: u64,
    deaths: Vec<(Timestamp, String)>,
    is_alert: bool,
}

impl Watcher {
    /// Fires at `threshold` deaths within `window`.
    pub fn new(threshold: usize, window: Duration) -> Self {
        Self { threshold, window, from: 0, deaths: Vec::new(), is_alert: false }
    }

    /// Checks once. Call it every few seconds. Returns an alert when the number has just become too
    /// large, and the next one only after the number was below the threshold again.
    ///
    /// # Errors
    /// The broker cannot be reached. That deserves an alert of its own.
    pub async fn check(&mut self, client: &Client) -> Result<Option<Alert>> {
        let ours = DeadFilter { queue: Some(QUEUE.parse()?), ..DeadFilter::default() };
        loop {
            let page = client.dead_letters(&ours, self.from, 100).await?;
            for letter in &page.letters {
                let dead = DeadSummary::from(letter);
                self.deaths.push((dead.died_at, dead.error_kind.to_string()));
                self.from = self.from.max(dead.seq + 1);
            }
            match page.next {
                Some(next) => self.from = next,
                None => break,
            }
        }
        Ok(self.evaluate(SystemClock.now()))
    }

    fn evaluate(&mut self, now: Timestamp) -> Option<Alert> {
        self.deaths.retain(|(at, _)| now.since(*at) <= self.window);
        let deaths = self.deaths.len();
        let was_alert = self.is_alert;
        self.is_alert = deaths >= self.threshold;
        (self.is_alert && !was_alert).then(|| {
            let mut kinds = BTreeMap::new();
            for (_, kind) in &self.deaths {
                *kinds.entry(kind.clone()).or_default() += 1;
            }
            let mut kinds: Vec<_> = kinds.into_iter().collect();
            kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            Alert { deaths, window: self.window, kinds }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fires_once_and_again_after_a_quiet_time() {
        let mut watcher = Watcher::new(2, Duration::from_secs(60));
        let at = |secs: u64| Timestamp::from_millis(secs * 1000);
        let die = |watcher: &mut Watcher, secs| watcher.deaths.push((at(secs), "Error".into()));
        die(&mut watcher, 0);
        assert_eq!(watcher.evaluate(at(1)), None);
        die(&mut watcher, 2);
        assert_eq!(watcher.evaluate(at(2)).expect("an alert").deaths, 2);
        die(&mut watcher, 3);
        assert_eq!(watcher.evaluate(at(3)), None, "fired already");
        assert_eq!(watcher.evaluate(at(100)), None);
        die(&mut watcher, 101);
        die(&mut watcher, 101);
        assert_eq!(watcher.evaluate(at(101)).expect("another").kinds, [("Error".to_owned(), 2)]);
    }
}
