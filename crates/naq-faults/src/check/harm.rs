//! Which faults can have touched what.

use crate::history::Run;
use crate::ledger::{Fault, FaultKind};
use crate::plan::LEASE_MS;

/// How long after a handler's end its settling may take, undisturbed: two requests to the broker on
/// a busy machine. A fault in this time can still make the attempt run again.
const SETTLE_MS: u64 = 1_000;
/// How long after a broker or a network came back a handler may begin on a delivery from before.
const RECONNECT_MS: u64 = 1_000;
/// How long a delivery may wait for a slot after it was compared with the evidence: with slow jobs
/// before it, some hundred milliseconds; a lease at most.
const RACE_MS: u64 = LEASE_MS;
/// How long a fault has any effect after it is over: clients reconnect, leases of the dead run out.
const WAKE_MS: u64 = LEASE_MS + 1_000;

/// The faults that do harm, in the order of their beginning. A deploy is none.
#[derive(Debug)]
pub(super) struct Harms<'a> {
    faults: Vec<&'a Fault>,
}

impl<'a> Harms<'a> {
    pub(super) fn new(faults: &'a [Fault]) -> Self {
        Self { faults: faults.iter().filter(|fault| fault.kind.is_harm()).collect() }
    }

    /// Whether any fault, or what it leaves in its wake, falls into this time.
    pub(super) fn touch(&self, from: u64, to: u64) -> bool {
        self.within(from, to).next().is_some()
    }

    /// The faults that fall into this time.
    pub(super) fn within(&self, from: u64, to: u64) -> impl Iterator<Item = &'a Fault> {
        // Sorted by beginning, so the search could be cut short; there are a few hundred at most.
        self.faults.iter().copied().filter(move |f| f.from <= to && f.to + WAKE_MS >= from)
    }

    /// Whether a fault of the broker or the network falls into this time.
    pub(super) fn touch_every_worker(&self, from: u64, to: u64) -> bool {
        self.within(from, to).any(|fault| fault.worker.is_none())
    }

    /// Whether `run` was in flight at a fault that can have made it run again by `next`: its worker
    /// died, or the broker or the network failed, between its start and the end of its settling.
    pub(super) fn interrupted(&self, run: &Run, next: u64) -> bool {
        let end = run.finish.map_or(next, |finish| next.min(finish + SETTLE_MS));
        self.faults.iter().any(|fault| {
            let its_own = fault.worker.as_ref().is_none_or(|worker| *worker == run.worker);
            let wake = if fault.worker.is_none() { RECONNECT_MS } else { 0 };
            its_own && fault.from <= end && fault.to + wake >= run.start
        })
    }

    /// Whether what was stored or begun at `fact` and a run that began later, at `start`, may have
    /// raced: an outage of the broker or the network had just ended when two workers held the same
    /// delivery, one of them to settle what it had run before the outage; and no other fault lay
    /// between, which could have taken an ack with it.
    pub(super) fn raced(&self, fact: u64, start: u64) -> bool {
        let outages = self.faults.iter().filter(|fault| fault.worker.is_none());
        let mut healed = outages.clone().filter(|f| f.from <= fact && fact <= f.to + WAKE_MS);
        start <= fact + RACE_MS
            && healed.next().is_some()
            && !outages.clone().any(|f| (fact..=start).contains(&f.from))
    }

    /// Whether `worker` took itself down.
    pub(super) fn aborted(&self, worker: &str) -> bool {
        self.faults.iter().any(|fault| {
            fault.kind == FaultKind::WorkerAborted && fault.worker.as_deref() == Some(worker)
        })
    }
}
