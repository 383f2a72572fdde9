//! The faults that may make attempts run again, and which times they affect.

use std::collections::BTreeSet;

use crate::history::HandlerRun;
use crate::ledger::{FaultEntry, FaultKind};
use crate::plan::LEASE_MS;

/// How long a fault has effects after its end: clients reconnect, and leases of dead workers end.
const EFFECT_MS: u64 = LEASE_MS + 1_000;

/// The faults that may make attempts run again, in the order of their starts. Deployments are not
/// included.
#[derive(Debug)]
pub(super) struct HarmfulFaults<'a> {
    faults: Vec<&'a FaultEntry>,
}

impl<'a> HarmfulFaults<'a> {
    /// Those that may affect jobs of `queue`; without one, those that may affect all jobs.
    pub(super) fn new(faults: &'a [FaultEntry], queue: Option<&str>) -> Self {
        let affects = |fault: &&FaultEntry| {
            let here = fault.queue.as_deref().is_none_or(|of| Some(of) == queue);
            fault.kind.is_harm() && here
        };
        Self { faults: faults.iter().filter(affects).collect() }
    }

    /// Whether a fault, or an effect of one, falls into this time.
    pub(super) fn touch(&self, from: u64, to: u64) -> bool {
        self.within(from, to).next().is_some()
    }

    /// The faults whose time or effects fall into this time.
    pub(super) fn within(&self, from: u64, to: u64) -> impl Iterator<Item = &'a FaultEntry> {
        // The list is sorted, so the search could stop early. It has a few hundred entries at most.
        self.faults.iter().copied().filter(move |f| f.from <= to && f.to + EFFECT_MS >= from)
    }

    /// Whether a fault of the broker or the network falls into this time.
    pub(super) fn touch_every_worker(&self, from: u64, to: u64) -> bool {
        self.within(from, to).any(|fault| fault.worker.is_none())
    }

    /// Whether a fault can have made `run` run again by `next`: its worker died, or the broker or
    /// the network failed, between its start and the end of its settlement. Or the broker or the
    /// network failed shortly before: then its worker may have had the delivery in hand, and the
    /// broker may have delivered it again. The older delivery starts before its lease ends, or not at
    /// all.
    pub(super) fn interrupted(&self, run: &HandlerRun, next: u64) -> bool {
        let end = run.settled.map_or(next, |settled| next.min(settled));
        self.faults.iter().any(|fault| {
            let same_worker = fault.worker.as_ref().is_none_or(|worker| *worker == run.worker);
            let effect = if fault.worker.is_none() { EFFECT_MS } else { 0 };
            same_worker && fault.from <= end && fault.to + effect >= run.start
        })
    }

    /// The workers that died between the start of one of these runs on them and the end of its
    /// settlement.
    pub(super) fn died_under<'r>(
        &self,
        runs: impl IntoIterator<Item = &'r HandlerRun>,
    ) -> BTreeSet<&'a str> {
        let death_of = |run: &'r HandlerRun| {
            // Without an outcome the worker has the job until its lease is lost.
            let lost = || run.finish.or(run.stopped).map_or(u64::MAX, |end| end + LEASE_MS);
            let settled = run.settled.unwrap_or_else(lost);
            self.deaths()
                .filter(move |(worker, _)| *worker == run.worker)
                .find(move |(_, at)| at.to >= run.start && at.from <= settled)
        };
        runs.into_iter().filter_map(death_of).map(|(worker, _)| worker).collect()
    }

    /// The workers that died, or that no other process could see any more, with their deaths.
    pub(super) fn deaths(&self) -> impl Iterator<Item = (&'a str, &'a FaultEntry)> {
        let died = |fault: &&FaultEntry| {
            matches!(
                fault.kind,
                FaultKind::WorkerKilled | FaultKind::WorkerAborted | FaultKind::WorkerCutOff
            )
        };
        let deaths = self.faults.iter().copied().filter(died);
        deaths.filter_map(|fault| Some((fault.worker.as_deref()?, fault)))
    }

    /// Whether a job aborted this worker.
    pub(super) fn aborted(&self, worker: &str) -> bool {
        self.faults.iter().any(|fault| {
            fault.kind == FaultKind::WorkerAborted && fault.worker.as_deref() == Some(worker)
        })
    }
}
