//! [`BreakerTable`]: what a worker knows about each breaker, and what it has counted and not yet
//! sent. No I/O: the gate sends what is due, and takes over what it reads.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use naq_core::Timestamp;
use naq_core::flow::breaker::{
    BreakerConfig, BreakerEntry, BreakerEvent, BreakerState, MayStart, Phase, Window, may_start,
    step,
};
use naq_core::transport::JobKey;

/// The shortest time between two updates. Counts that open the breaker are sent at once.
const SEND_EVERY: Duration = Duration::from_millis(250);

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
    /// The sequence of its message.
    pub(super) seq: u64,
    pub(super) crashes: u32,
}

/// One breaker.
#[derive(Debug)]
struct TrackedBreaker {
    config: BreakerConfig,
    /// Whether it was registered here. Otherwise only other workers count for it.
    counts: bool,
    entry: BreakerEntry,
    /// Calls that were counted here since the entry, and not yet sent.
    counted: Window,
    ended: Vec<BreakerEvent>,
    /// Probes that run here, and when to renew them.
    probes: BTreeMap<String, Timestamp>,
    /// The breaker opened by calls that were counted here. The other workers do not know yet.
    tripped: Option<BreakerState>,
    sent_at: Timestamp,
    /// Set after an update failed.
    not_before: Option<Timestamp>,
    due: Option<Timestamp>,
}

/// What a job got from a breaker that let it start.
#[derive(Debug, Clone)]
pub(super) struct BreakerPass {
    pub(super) key: String,
    opened_at: Option<Timestamp>,
    probe: Option<String>,
}

/// What a breaker says to a job that wants to start.
#[derive(Debug)]
pub(super) enum BreakerAnswer {
    Start(BreakerPass),
    /// The job may start as a probe if this event can be stored, under these settings.
    Probe(Box<(BreakerEntry, BreakerConfig, BreakerEvent)>),
    Wait(Timestamp, String),
}

/// Counts and probes on their way to the state store.
#[derive(Debug)]
pub(super) struct BreakerUpdate {
    pub(super) entry: BreakerEntry,
    pub(super) config: BreakerConfig,
    pub(super) events: Vec<BreakerEvent>,
    counted: Window,
    ended: Vec<BreakerEvent>,
}

impl TrackedBreaker {
    fn new(key: &str, config: Option<BreakerConfig>) -> Self {
        Self {
            counts: config.is_some(),
            config: config.unwrap_or_default(),
            entry: BreakerEntry::absent(key),
            counted: Window::default(),
            ended: Vec::new(),
            probes: BTreeMap::new(),
            tripped: None,
            sent_at: Timestamp::default(),
            not_before: None,
            due: None,
        }
    }

    fn state(&self) -> &BreakerState {
        self.tripped.as_ref().unwrap_or(&self.entry.state)
    }

    fn ask(&self, id: &str, share: f64, lease: Duration, now: Timestamp) -> BreakerAnswer {
        let state = self.state();
        let wait = |until| BreakerAnswer::Wait(until, self.reason(now));
        match may_start(&self.config, state, now, share) {
            MayStart::Go => {
                let (key, opened_at) = (self.entry.key.clone(), state.opened_at);
                BreakerAnswer::Start(BreakerPass { key, opened_at, probe: None })
            }
            MayStart::Wait(until) => wait(until),
            // Workers that registered the breaker probe.
            MayStart::Probe if !self.counts => {
                wait(now + Duration::from_secs(5).mul_f64(1.0 + share))
            }
            MayStart::Probe => {
                let event = BreakerEvent::ProbeTaken { id: id.to_owned(), until: now + lease };
                BreakerAnswer::Probe(Box::new((self.entry.clone(), self.config.clone(), event)))
            }
        }
    }

    fn reason(&self, now: Timestamp) -> String {
        let (key, state) = (&self.entry.key, self.state().at(&self.config, now));
        match &state.phase {
            Phase::Open { by_hand: true, reason, .. } if reason.is_empty() => {
                format!("breaker {key} was opened by hand")
            }
            Phase::Open { by_hand: true, reason, .. } => {
                format!("breaker {key} was opened by hand: {reason}")
            }
            Phase::Open { reason, .. } => format!("breaker {key} is open: {reason}"),
            Phase::Recovering { .. } => format!("breaker {key} recovers: only a share may start"),
            _ => format!("breaker {key} is half open: its probes run"),
        }
    }

    /// Counts a call that was not a probe.
    fn count(&mut self, opened_at: Option<Timestamp>, failed: bool, now: Timestamp) {
        let matters = failed || self.config.counts_successes();
        if !matters || opened_at != self.entry.state.opened_at {
            return;
        }
        self.counted.count(&self.config, failed, now);
        if failed {
            self.check_trip(now);
        }
        self.plan_update(now);
    }

    /// Checks whether the calls that were counted here open the breaker.
    fn check_trip(&mut self, now: Timestamp) {
        let (opened_at, calls) = (self.entry.state.opened_at, self.counted.clone());
        let counted = BreakerEvent::Counted { opened_at, calls };
        let state = step(&self.config, &self.entry.state, &counted, now);
        self.tripped = (state.opened_at != opened_at).then_some(state);
    }

    /// Sets when to send. Without a failure on any worker nothing is sent.
    fn plan_update(&mut self, now: Timestamp) {
        let soon = now.max(self.sent_at + SEND_EVERY).min(now + SEND_EVERY);
        let failing = self.counted.failures() > 0 || self.entry.state.failures() > 0;
        let counts = (failing && !self.counted.is_empty()).then_some(soon);
        let at_once = self.tripped.is_some()
            || !self.ended.is_empty()
            || (self.counts && self.entry.state.is_ahead(now));
        let renew = self.probes.values().min().copied();
        let due = [at_once.then_some(now), counts, renew].into_iter().flatten().min();
        self.due = due.map(|due| due.max(self.not_before.unwrap_or(due)));
    }

    fn set_entry(&mut self, entry: BreakerEntry, now: Timestamp) {
        if entry.state.opened_at != self.entry.state.opened_at {
            self.counted = Window::default();
        }
        let probes = entry.state.phase.probes();
        self.probes.retain(|id, _| probes.iter().any(|probe| probe.id == *id));
        self.entry = entry;
        self.tripped = None;
        self.plan_update(now);
    }

    fn take_update(&mut self, lease: Duration, now: Timestamp) -> BreakerUpdate {
        (self.sent_at, self.not_before, self.due) = (now, None, None);
        let counted = std::mem::take(&mut self.counted);
        let ended = std::mem::take(&mut self.ended);
        let mut events = ended.clone();
        if !counted.is_empty() {
            let (opened_at, calls) = (self.entry.state.opened_at, counted.clone());
            events.push(BreakerEvent::Counted { opened_at, calls });
        }
        let until = now + lease;
        for (id, renew) in &mut self.probes {
            events.push(BreakerEvent::ProbeTaken { id: id.clone(), until });
            *renew = now + lease / 3;
        }
        BreakerUpdate {
            entry: self.entry.clone(),
            config: self.config.clone(),
            events,
            counted,
            ended,
        }
    }
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
        RunningCall { job: "q/job".parse().expect("a key"), seq: 7, crashes }
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
