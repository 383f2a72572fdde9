//! What a worker knows of each breaker, and what it has counted and not yet told the others. No
//! I/O: whoever holds the book sends what is due in it, and enters what it hears.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use naq_core::Timestamp;
use naq_core::flow::breaker::{
    BreakerConfig, BreakerEntry, BreakerEvent, BreakerState, MayStart, Phase, Window, may_start,
    step,
};
use naq_core::transport::JobKey;

/// Counts are sent this often at most, but for those that open the breaker.
const RHYTHM: Duration = Duration::from_millis(250);

/// All breakers that this worker knows of.
#[derive(Debug)]
pub(super) struct Book {
    pages: HashMap<String, Page>,
    running: HashMap<Running, Vec<Ticket>>,
    /// How long a probe is its worker's without another sign of life.
    lease: Duration,
}

/// One delivery of a job: another may come while a handler that heeds nothing runs on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Running {
    pub(super) job: JobKey,
    /// The sequence of its message.
    pub(super) seq: u64,
    pub(super) crashes: u32,
}

/// One breaker.
#[derive(Debug)]
struct Page {
    config: BreakerConfig,
    /// Whether it was registered here; otherwise somebody else counts for it.
    counts: bool,
    entry: BreakerEntry,
    /// What was counted here since the entry, and not yet sent.
    counted: Window,
    ended: Vec<BreakerEvent>,
    /// Probes that run here, and when they are to be renewed.
    probes: BTreeMap<String, Timestamp>,
    /// Open already by what was counted here, before the others know.
    tripped: Option<BreakerState>,
    sent_at: Timestamp,
    /// After a failure to send.
    not_before: Option<Timestamp>,
    due: Option<Timestamp>,
}

/// That a job runs under a breaker.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) key: String,
    opened_at: Option<Timestamp>,
    probe: Option<String>,
}

/// What the book says to a job that wants to start.
#[derive(Debug)]
pub(super) enum Answer {
    Go(Ticket),
    /// If the others agree: this is what has to be changed, and by which settings.
    Probe(Box<(BreakerEntry, BreakerConfig, BreakerEvent)>),
    Wait(Timestamp, String),
}

/// What has to be told to the others.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) entry: BreakerEntry,
    pub(super) config: BreakerConfig,
    pub(super) events: Vec<BreakerEvent>,
    counted: Window,
    ended: Vec<BreakerEvent>,
}

impl Page {
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

    fn ask(&self, id: &str, share: f64, lease: Duration, now: Timestamp) -> Answer {
        let state = self.state();
        let wait = |until| Answer::Wait(until, self.why(now));
        match may_start(&self.config, state, now, share) {
            MayStart::Go => {
                let (key, opened_at) = (self.entry.key.clone(), state.opened_at);
                Answer::Go(Ticket { key, opened_at, probe: None })
            }
            MayStart::Wait(until) => wait(until),
            // Those who count are to probe.
            MayStart::Probe if !self.counts => {
                wait(now + Duration::from_secs(5).mul_f64(1.0 + share))
            }
            MayStart::Probe => {
                let event = BreakerEvent::ProbeTaken { id: id.to_owned(), until: now + lease };
                Answer::Probe(Box::new((self.entry.clone(), self.config.clone(), event)))
            }
        }
    }

    fn why(&self, now: Timestamp) -> String {
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

    /// A call has ended that was no probe.
    fn count(&mut self, opened_at: Option<Timestamp>, failed: bool, now: Timestamp) {
        let matters = failed || self.config.counts_successes();
        if !matters || opened_at != self.entry.state.opened_at {
            return;
        }
        self.counted.count(&self.config, failed, now);
        if failed {
            self.look_ahead(now);
        }
        self.plan(now);
    }

    /// Whether what was counted here opens it by itself.
    fn look_ahead(&mut self, now: Timestamp) {
        let (opened_at, calls) = (self.entry.state.opened_at, self.counted.clone());
        let counted = BreakerEvent::Counted { opened_at, calls };
        let state = step(&self.config, &self.entry.state, &counted, now);
        self.tripped = (state.opened_at != opened_at).then_some(state);
    }

    /// When to send. While nobody has counted a failure, nothing is sent at all.
    fn plan(&mut self, now: Timestamp) {
        let soon = now.max(self.sent_at + RHYTHM).min(now + RHYTHM);
        let failing = self.counted.failures() > 0 || self.entry.state.failures() > 0;
        let counts = (failing && !self.counted.is_empty()).then_some(soon);
        let at_once = self.tripped.is_some()
            || !self.ended.is_empty()
            || (self.counts && self.entry.state.is_ahead(now));
        let renew = self.probes.values().min().copied();
        let due = [at_once.then_some(now), counts, renew].into_iter().flatten().min();
        self.due = due.map(|due| due.max(self.not_before.unwrap_or(due)));
    }

    fn learn(&mut self, entry: BreakerEntry, now: Timestamp) {
        if entry.state.opened_at != self.entry.state.opened_at {
            self.counted = Window::default();
        }
        let probes = entry.state.phase.probes();
        self.probes.retain(|id, _| probes.iter().any(|probe| probe.id == *id));
        self.entry = entry;
        self.tripped = None;
        self.plan(now);
    }

    fn send(&mut self, lease: Duration, now: Timestamp) -> Sending {
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
        Sending { entry: self.entry.clone(), config: self.config.clone(), events, counted, ended }
    }
}

impl Book {
    pub(super) fn new(
        registered: impl IntoIterator<Item = (String, BreakerConfig)>,
        lease: Duration,
    ) -> Self {
        let page = |(key, config): (String, _)| (key.clone(), Page::new(&key, Some(config)));
        let pages = registered.into_iter().map(page).collect();
        Self { pages, running: HashMap::new(), lease }
    }

    /// Whether something is known of a breaker of this name.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.pages.contains_key(key)
    }

    /// Breakers that were not registered here.
    pub(super) fn strangers(&self) -> usize {
        self.pages.values().filter(|page| !page.counts).count()
    }

    pub(super) fn ask(
        &mut self,
        key: &str,
        id: &str,
        share: f64,
        now: Timestamp,
    ) -> Option<Answer> {
        let page = self.pages.get_mut(key)?;
        if page.counts && page.entry.state.is_ahead(now) {
            page.plan(now);
        }
        Some(page.ask(id, share, self.lease, now))
    }

    /// A probe was asked for, and this came of it: a ticket, if it was granted.
    pub(super) fn probe(
        &mut self,
        entry: BreakerEntry,
        id: &str,
        now: Timestamp,
    ) -> Option<Ticket> {
        let (key, opened_at) = (entry.key.clone(), entry.state.opened_at);
        let granted = entry.state.has_probe(id, now);
        self.hear(entry, now);
        let page = self.pages.get_mut(&key).filter(|_| granted)?;
        page.probes.insert(id.to_owned(), now + self.lease / 3);
        page.plan(now);
        Some(Ticket { key, opened_at, probe: Some(id.to_owned()) })
    }

    /// The job runs.
    pub(super) fn begin(&mut self, job: Running, tickets: Vec<Ticket>) {
        if tickets.iter().any(|ticket| ticket.probe.is_some()) {
            // The probe of an earlier delivery is this one's now.
            let taken = |old: &Ticket| {
                let same = |new: &Ticket| new.key == old.key && new.probe == old.probe;
                old.probe.is_some() && tickets.iter().any(same)
            };
            let others = self.running.iter_mut().filter(|(other, _)| other.job == job.job);
            others.for_each(|(_, old)| old.retain(|ticket| !taken(ticket)));
        }
        self.running.insert(job, tickets);
    }

    /// The job runs no longer.
    pub(super) fn end(&mut self, job: &Running) -> Vec<Ticket> {
        self.running.remove(job).unwrap_or_default()
    }

    /// What its end says of a breaker: `verdict` is asked with the settings of each.
    pub(super) fn ended(
        &mut self,
        ticket: Ticket,
        verdict: impl Fn(&BreakerConfig) -> Option<bool>,
        now: Timestamp,
    ) {
        let Some(page) = self.pages.get_mut(&ticket.key).filter(|page| page.counts) else { return };
        let success = verdict(&page.config);
        match (ticket.probe, success) {
            (Some(id), success) => {
                page.probes.remove(&id);
                page.ended.push(BreakerEvent::ProbeEnded { id, success });
                page.plan(now);
            }
            (None, Some(success)) => page.count(ticket.opened_at, !success, now),
            (None, None) => {}
        }
    }

    /// The others say that this is how a breaker stands.
    pub(super) fn hear(&mut self, entry: BreakerEntry, now: Timestamp) {
        let page = self.page(&entry.key);
        if entry.is_after(&page.entry) {
            page.learn(entry, now);
        }
    }

    fn page(&mut self, key: &str) -> &mut Page {
        self.pages.entry(key.to_owned()).or_insert_with(|| Page::new(key, None))
    }

    /// Nothing is stored of a breaker any more.
    pub(super) fn forget(&mut self, key: &str, now: Timestamp) {
        let Some(page) = self.pages.get_mut(key) else { return };
        if page.counts {
            page.learn(BreakerEntry::absent(key), now);
        } else {
            self.pages.remove(key);
        }
    }

    /// All that is stored, whatever was known before: the broker may have lost that.
    pub(super) fn hear_all(&mut self, entries: Vec<BreakerEntry>, now: Timestamp) {
        let gone = |key: &&String| !entries.iter().any(|entry| entry.key == **key);
        let gone: Vec<_> = self.pages.keys().filter(gone).cloned().collect();
        gone.iter().for_each(|key| self.forget(key, now));
        for entry in entries {
            self.page(&entry.key).learn(entry, now);
        }
    }

    /// When something has to be sent next.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.pages.values().filter_map(|page| page.due).min()
    }

    /// What has to be sent now.
    pub(super) fn send(&mut self, now: Timestamp) -> Vec<Sending> {
        let lease = self.lease;
        // A time further away than any that is planned is from before the clock was set back.
        let due = |due: Timestamp| due <= now || due.since(now) > lease.max(RHYTHM);
        let pages = self.pages.values_mut().filter(|page| page.due.is_some_and(due));
        pages.map(|page| page.send(lease, now)).collect()
    }

    /// It was sent, and this came of it.
    pub(super) fn sent(&mut self, entry: BreakerEntry, now: Timestamp) {
        let key = entry.key.clone();
        self.hear(entry, now);
        if let Some(page) = self.pages.get_mut(&key) {
            page.tripped = None;
            page.plan(now);
        }
    }

    /// It could not be sent: it is still to be told, at `again`.
    pub(super) fn not_sent(&mut self, sending: Sending, again: Timestamp, now: Timestamp) {
        let Some(page) = self.pages.get_mut(&sending.entry.key) else { return };
        if page.entry.state.opened_at == sending.entry.state.opened_at {
            page.counted.merge(&sending.counted);
            page.counted.prune(&page.config, now);
            page.look_ahead(now);
        }
        page.ended.splice(0..0, sending.ended);
        page.not_before = Some(again);
        page.plan(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(probe: Option<&str>) -> Ticket {
        Ticket { key: "bank".into(), opened_at: None, probe: probe.map(str::to_owned) }
    }

    fn delivery(crashes: u32) -> Running {
        Running { job: "q/job".parse().expect("a key"), seq: 7, crashes }
    }

    #[test]
    fn a_delivery_whose_lease_was_lost_does_not_end_the_calls_of_the_next_one() {
        let mut book = Book::new([], Duration::from_secs(10));
        book.begin(delivery(0), vec![ticket(None)]);
        book.begin(delivery(1), vec![ticket(None)]);
        assert_eq!((book.end(&delivery(0)).len(), book.end(&delivery(1)).len()), (1, 1));
        // There is one probe of a job: that of the last delivery.
        book.begin(delivery(1), vec![ticket(Some("q/job"))]);
        book.begin(delivery(2), vec![ticket(Some("q/job"))]);
        assert_eq!((book.end(&delivery(1)).len(), book.end(&delivery(2)).len()), (0, 1));
    }
}
