//! [`BreakerTable`]: all breakers that a worker knows, and the calls that run under them. No I/O: the
//! gate sends what is due, and takes over what it reads.

use std::collections::HashMap;
use std::time::Duration;

use naq_core::Timestamp;
use naq_core::flow::breaker::{BreakerConfig, BreakerEntry, BreakerEvent};
use naq_core::transport::JobKey;

use super::tracked_breaker::{
    BreakerAnswer, BreakerPass, BreakerUpdate, SEND_EVERY, TrackedBreaker,
};

/// All breakers that this worker knows.
#[derive(Debug)]
pub(super) struct BreakerTable {
    breakers: HashMap<String, TrackedBreaker>,
    running: HashMap<RunningCall, Vec<BreakerPass>>,
    /// How long a probe stays with its worker without a renewal.
    lease: Duration,
}

/// One delivery of a job. Another one may arrive while a handler that ignores its lease runs on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RunningCall {
    pub(super) job: JobKey,
    /// The sequence of its message, and when the broker stored it.
    pub(super) seq: u64,
    pub(super) stored_at: Timestamp,
    pub(super) crashes: u32,
}

impl BreakerTable {
    pub(super) fn new(
        registered: impl IntoIterator<Item = (String, BreakerConfig)>,
        lease: Duration,
    ) -> Self {
        let breaker =
            |(key, config): (String, _)| (key.clone(), TrackedBreaker::new(&key, Some(config)));
        let breakers = registered.into_iter().map(breaker).collect();
        Self { breakers, running: HashMap::new(), lease }
    }

    /// Whether there is a breaker of this name.
    pub(super) fn contains(&self, key: &str) -> bool {
        self.breakers.contains_key(key)
    }

    /// The number of breakers that were not registered here.
    pub(super) fn foreign_count(&self) -> usize {
        self.breakers.values().filter(|breaker| !breaker.counts).count()
    }

    pub(super) fn ask(
        &mut self,
        key: &str,
        id: &str,
        share: f64,
        now: Timestamp,
    ) -> Option<BreakerAnswer> {
        let breaker = self.breakers.get_mut(key)?;
        if breaker.counts && breaker.entry.state.is_ahead(now) {
            breaker.plan_update(now);
        }
        Some(breaker.ask(id, share, self.lease, now))
    }

    /// The answer to a request for a probe. Returns a pass if it was granted.
    pub(super) fn probe(
        &mut self,
        entry: BreakerEntry,
        id: &str,
        now: Timestamp,
    ) -> Option<BreakerPass> {
        let (key, opened_at) = (entry.key.clone(), entry.state.opened_at);
        let granted = entry.state.has_probe(id, now);
        self.apply_entry(entry, now);
        let breaker = self.breakers.get_mut(&key).filter(|_| granted)?;
        breaker.probes.insert(id.to_owned(), now + self.lease / 3);
        breaker.plan_update(now);
        Some(BreakerPass { key, opened_at, probe: Some(id.to_owned()) })
    }

    /// A call starts.
    pub(super) fn begin(&mut self, call: RunningCall, passes: Vec<BreakerPass>) {
        if passes.iter().any(|pass| pass.probe.is_some()) {
            // A probe of an earlier delivery of the job now belongs to this one.
            let taken = |old: &BreakerPass| {
                let same = |new: &BreakerPass| new.key == old.key && new.probe == old.probe;
                old.probe.is_some() && passes.iter().any(same)
            };
            let others = self.running.iter_mut().filter(|(other, _)| other.job == call.job);
            others.for_each(|(_, old)| old.retain(|pass| !taken(pass)));
        }
        self.running.insert(call, passes);
    }

    /// A call is over. Returns its passes.
    pub(super) fn end(&mut self, call: &RunningCall) -> Vec<BreakerPass> {
        self.running.remove(call).unwrap_or_default()
    }

    /// Counts the end of a call. `succeeded` says how it counts under the breaker's settings.
    pub(super) fn ended(
        &mut self,
        pass: BreakerPass,
        succeeded: impl Fn(&BreakerConfig) -> Option<bool>,
        now: Timestamp,
    ) {
        let Some(breaker) = self.breakers.get_mut(&pass.key).filter(|breaker| breaker.counts)
        else {
            return;
        };
        let success = succeeded(&breaker.config);
        match (pass.probe, success) {
            (Some(id), success) => {
                breaker.probes.remove(&id);
                breaker.ended.push(BreakerEvent::ProbeEnded { id, success });
                breaker.plan_update(now);
            }
            (None, Some(success)) => breaker.count(pass.opened_at, !success, now),
            (None, None) => {}
        }
    }

    /// Takes over a stored entry, if it is newer.
    pub(super) fn apply_entry(&mut self, entry: BreakerEntry, now: Timestamp) {
        let breaker = self.breaker(&entry.key);
        if entry.is_after(&breaker.entry) {
            breaker.set_entry(entry, now);
        }
    }

    fn breaker(&mut self, key: &str) -> &mut TrackedBreaker {
        self.breakers.entry(key.to_owned()).or_insert_with(|| TrackedBreaker::new(key, None))
    }

    /// The entry of a breaker was removed.
    pub(super) fn forget(&mut self, key: &str, now: Timestamp) {
        let Some(breaker) = self.breakers.get_mut(key) else { return };
        if breaker.counts {
            breaker.set_entry(BreakerEntry::absent(key), now);
        } else {
            self.breakers.remove(key);
        }
    }

    /// Takes over all stored entries in place of what was known: the broker may have lost entries.
    pub(super) fn replace_all(&mut self, entries: Vec<BreakerEntry>, now: Timestamp) {
        let gone = |key: &&String| !entries.iter().any(|entry| entry.key == **key);
        let gone: Vec<_> = self.breakers.keys().filter(gone).cloned().collect();
        gone.iter().for_each(|key| self.forget(key, now));
        for entry in entries {
            self.breaker(&entry.key).set_entry(entry, now);
        }
    }

    /// When the next update has to be sent.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.breakers.values().filter_map(|breaker| breaker.due).min()
    }

    /// The updates that have to be sent now.
    pub(super) fn take_updates(&mut self, now: Timestamp) -> Vec<BreakerUpdate> {
        let lease = self.lease;
        // A time too far ahead is from before the clock was set back.
        let due = |due: Timestamp| due <= now || due.since(now) > lease.max(SEND_EVERY);
        let breakers = self.breakers.values_mut().filter(|breaker| breaker.due.is_some_and(due));
        breakers.map(|breaker| breaker.take_update(lease, now)).collect()
    }

    /// An update was stored. This is the entry now.
    pub(super) fn update_stored(&mut self, entry: BreakerEntry, now: Timestamp) {
        let key = entry.key.clone();
        self.apply_entry(entry, now);
        if let Some(breaker) = self.breakers.get_mut(&key) {
            breaker.tripped = None;
            breaker.plan_update(now);
        }
    }

    /// An update failed. It has to be sent at `again`.
    pub(super) fn update_failed(
        &mut self,
        update: BreakerUpdate,
        again: Timestamp,
        now: Timestamp,
    ) {
        let Some(breaker) = self.breakers.get_mut(&update.entry.key) else { return };
        if breaker.entry.state.opened_at == update.entry.state.opened_at {
            breaker.counted.merge(&update.counted);
            breaker.counted.prune(&breaker.config, now);
            breaker.check_trip(now);
        }
        breaker.ended.splice(0..0, update.ended);
        breaker.not_before = Some(again);
        breaker.plan_update(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(probe: Option<&str>) -> BreakerPass {
        BreakerPass { key: "bank".into(), opened_at: None, probe: probe.map(str::to_owned) }
    }

    fn delivery(crashes: u32) -> RunningCall {
        let stored_at = Timestamp::from_millis(1);
        RunningCall { job: "q/job".parse().expect("a key"), seq: 7, stored_at, crashes }
    }

    #[test]
    fn a_delivery_whose_lease_was_lost_does_not_end_the_calls_of_the_next_one() {
        let mut local = BreakerTable::new([], Duration::from_secs(10));
        local.begin(delivery(0), vec![pass(None)]);
        local.begin(delivery(1), vec![pass(None)]);
        assert_eq!((local.end(&delivery(0)).len(), local.end(&delivery(1)).len()), (1, 1));
        // A job has one probe: that of its last delivery.
        local.begin(delivery(1), vec![pass(Some("q/job"))]);
        local.begin(delivery(2), vec![pass(Some("q/job"))]);
        assert_eq!((local.end(&delivery(1)).len(), local.end(&delivery(2)).len()), (0, 1));
    }
}
