//! [`TrackedBreaker`]: one breaker as this worker sees it, and the calls that it has counted. No I/O.

use std::collections::BTreeMap;
use std::time::Duration;

use naq_core::Timestamp;
use naq_core::flow::breaker::{
    BreakerConfig, BreakerEntry, BreakerEvent, BreakerState, MayStart, Phase, Window, may_start,
    step,
};

/// The shortest time between two updates. Counts that open the breaker are sent at once.
pub(super) const SEND_EVERY: Duration = Duration::from_millis(250);

/// One breaker as this worker sees it.
#[derive(Debug)]
pub(super) struct TrackedBreaker {
    pub(super) config: BreakerConfig,
    /// Whether it was registered here. Otherwise only other workers count for it.
    pub(super) counts: bool,
    pub(super) entry: BreakerEntry,
    /// Calls that were counted here since the entry, and not yet sent.
    pub(super) counted: Window,
    pub(super) ended: Vec<BreakerEvent>,
    /// Probes that run here, and when to renew them.
    pub(super) probes: BTreeMap<String, Timestamp>,
    /// The breaker opened by calls that were counted here. The other workers do not know yet.
    pub(super) tripped: Option<BreakerState>,
    pub(super) sent_at: Timestamp,
    /// Set after an update failed.
    pub(super) not_before: Option<Timestamp>,
    pub(super) due: Option<Timestamp>,
}

/// What a job got from a breaker that let it start.
#[derive(Debug, Clone)]
pub(super) struct BreakerPass {
    pub(super) key: String,
    pub(super) opened_at: Option<Timestamp>,
    pub(super) probe: Option<String>,
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
    pub(super) counted: Window,
    pub(super) ended: Vec<BreakerEvent>,
}

impl TrackedBreaker {
    pub(super) fn new(key: &str, config: Option<BreakerConfig>) -> Self {
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

    pub(super) fn state(&self) -> &BreakerState {
        self.tripped.as_ref().unwrap_or(&self.entry.state)
    }

    pub(super) fn ask(
        &self,
        id: &str,
        share: f64,
        lease: Duration,
        now: Timestamp,
    ) -> BreakerAnswer {
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

    pub(super) fn reason(&self, now: Timestamp) -> String {
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
    pub(super) fn count(&mut self, opened_at: Option<Timestamp>, failed: bool, now: Timestamp) {
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
    pub(super) fn check_trip(&mut self, now: Timestamp) {
        let (opened_at, calls) = (self.entry.state.opened_at, self.counted.clone());
        let counted = BreakerEvent::Counted { opened_at, calls };
        let state = step(&self.config, &self.entry.state, &counted, now);
        self.tripped = (state.opened_at != opened_at).then_some(state);
    }

    /// Sets when to send. Without a failure on any worker nothing is sent.
    pub(super) fn plan_update(&mut self, now: Timestamp) {
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

    pub(super) fn set_entry(&mut self, entry: BreakerEntry, now: Timestamp) {
        if entry.state.opened_at != self.entry.state.opened_at {
            self.counted = Window::default();
        }
        let probes = entry.state.phase.probes();
        self.probes.retain(|id, _| probes.iter().any(|probe| probe.id == *id));
        self.entry = entry;
        self.tripped = None;
        self.plan_update(now);
    }

    pub(super) fn take_update(&mut self, lease: Duration, now: Timestamp) -> BreakerUpdate {
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
