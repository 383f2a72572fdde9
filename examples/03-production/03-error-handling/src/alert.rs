//! An alert on the error rate: counts the deaths of the last while, and says so once when they are
//! too many.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use naq::client::{DeadFilter, DeadSummary};
use naq::{Client, Clock, SystemClock, Timestamp};

use crate::QUEUE;

/// Too many deaths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// How many.
    pub deaths: usize,
    /// Within this time.
    pub window: Duration,
    /// Of which kinds of error, most first.
    pub kinds: Vec<(String, usize)>,
}

/// Watches the dead letter queue. It remembers how far it has read: each look costs one request,
/// however many letters there are.
#[derive(Debug)]
pub struct Watcher {
    threshold: usize,
    window: Duration,
    from: u64,
    deaths: Vec<(Timestamp, String)>,
    told: bool,
}

impl Watcher {
    /// Fires at `threshold` deaths within `window`.
    pub fn new(threshold: usize, window: Duration) -> Self {
        Self { threshold, window, from: 0, deaths: Vec::new(), told: false }
    }

    /// Looks once; call it every few seconds. An alert, when the number has just become too large:
    /// once, and again only after it was in order.
    ///
    /// # Errors
    /// The broker cannot be reached: that deserves an alert too.
    pub async fn look(&mut self, client: &Client) -> Result<Option<Alert>> {
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
        Ok(self.judge(SystemClock.now()))
    }

    fn judge(&mut self, now: Timestamp) -> Option<Alert> {
        self.deaths.retain(|(at, _)| now.since(*at) <= self.window);
        let (deaths, was_told) = (self.deaths.len(), self.told);
        self.told = deaths >= self.threshold;
        (self.told && !was_told).then(|| {
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
        assert_eq!(watcher.judge(at(1)), None);
        die(&mut watcher, 2);
        assert_eq!(watcher.judge(at(2)).expect("an alert").deaths, 2);
        die(&mut watcher, 3);
        assert_eq!(watcher.judge(at(3)), None, "told already");
        assert_eq!(watcher.judge(at(100)), None);
        die(&mut watcher, 101);
        die(&mut watcher, 101);
        assert_eq!(watcher.judge(at(101)).expect("another").kinds, [("Error".to_owned(), 2)]);
    }
}
