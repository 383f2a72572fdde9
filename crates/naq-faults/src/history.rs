//! The joined ledgers of a run: what was sent, which handlers ran, and which faults happened.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::deed::DeedEntry;
use crate::ledger::{ElectionEntry, FaultEntry, FaultKind, LedgerEntry, read};
use crate::plan::LEASE_MS;
use crate::script::{HandlerAct, ScriptStep};

/// The entries of all ledgers of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunHistory {
    /// The jobs that were sent, by id.
    pub sent: BTreeMap<String, SentJob>,
    /// The handler runs of each job, in the order of their starts.
    pub runs: BTreeMap<String, Vec<HandlerRun>>,
    /// The faults of the run, in the order of their starts.
    pub faults: Vec<FaultEntry>,
    /// What the operators did, in the order of the starts.
    pub deeds: Vec<DeedEntry>,
    /// The elections after killed leaders, in the order of the kills.
    pub elections: Vec<ElectionEntry>,
    /// To which server each worker connected, and when.
    pub connections: BTreeMap<String, Vec<(u64, u16)>>,
}

/// What the producer did with a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentJob {
    /// When the producer first sent it.
    pub first: u64,
    /// When the broker first acknowledged it.
    pub acked: Option<u64>,
}

/// One run of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerRun {
    /// The step.
    pub step: ScriptStep,
    /// The number of crashes that the handler was given.
    pub crashes: u32,
    /// The worker.
    pub worker: String,
    /// When it started.
    pub start: u64,
    /// When it finished; `None` if it was stopped before.
    pub finish: Option<u64>,
    /// When its worker stopped it; `None` if it finished, or its worker died.
    pub stopped: Option<u64>,
    /// When its worker had stored its outcome; `None` if it has not.
    pub settled: Option<u64>,
    /// What its script says for this step; `None` if the script has no such step.
    pub will: Option<HandlerAct>,
}

impl RunHistory {
    /// Reads and joins the ledgers (`*.jsonl`) of a directory.
    ///
    /// # Errors
    /// A ledger cannot be read, or its entries contradict each other.
    pub fn load(dir: &Path) -> Result<Self> {
        let mut entries = Vec::new();
        for file in
            std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?
        {
            let path = file?.path();
            if path.extension().is_some_and(|ext| ext == "jsonl") {
                entries.extend(read(&path)?);
            }
        }
        Self::join(entries)
    }

    /// Joins entries. Those of one process must be in their original order.
    ///
    /// # Errors
    /// A finish without a start, or an ack of a job that was not sent.
    pub fn join(entries: impl IntoIterator<Item = LedgerEntry>) -> Result<Self> {
        let mut history = Self::default();
        for entry in entries {
            history.add(entry)?;
        }
        for runs in history.runs.values_mut() {
            runs.sort_by_key(|run| run.start);
        }
        history.faults.extend(history.cut_off_workers());
        history.faults.sort_by_key(|fault| fault.from);
        history.deeds.sort_by_key(|deed| deed.from);
        history.elections.sort_by_key(|election| election.at);
        Ok(history)
    }

    /// The workers whose server was paused or cut off for longer than a lease while they were connected to it.
    fn cut_off_workers(&self) -> Vec<FaultEntry> {
        let mut found = Vec::new();
        for fault in &self.faults {
            let Some(server) = fault.server.filter(|_| fault.to - fault.from > LEASE_MS) else {
                continue;
            };
            for (worker, connections) in &self.connections {
                let last = connections.iter().rev().find(|(at, _)| *at <= fault.from);
                if last.is_some_and(|(_, to)| *to == server) {
                    let (kind, worker) = (FaultKind::WorkerCutOff, Some(worker.clone()));
                    found.push(FaultEntry { kind, worker, server: None, ..fault.clone() });
                }
            }
        }
        found
    }

    fn add(&mut self, entry: LedgerEntry) -> Result<()> {
        match entry {
            LedgerEntry::Sending { job, at } => {
                self.sent
                    .entry(job)
                    .and_modify(|sent| sent.first = sent.first.min(at))
                    .or_insert(SentJob { first: at, acked: None });
            }
            LedgerEntry::Acked { job, at, .. } => {
                let sent = self.sent.get_mut(&job);
                let sent =
                    sent.with_context(|| format!("{job} was acknowledged but never sent"))?;
                sent.acked = Some(sent.acked.map_or(at, |first| first.min(at)));
            }
            LedgerEntry::Boot { .. } => {}
            LedgerEntry::Start { job, step, crashes, worker, at, will } => {
                let run = HandlerRun {
                    step,
                    crashes,
                    worker,
                    start: at,
                    finish: None,
                    stopped: None,
                    settled: None,
                    will,
                };
                self.runs.entry(job).or_default().push(run);
            }
            LedgerEntry::Finish { job, step, worker, at } => {
                self.open_run(&job, step, &worker)?.finish = Some(at);
            }
            LedgerEntry::Stopped { job, step, worker, at } => {
                self.open_run(&job, step, &worker)?.stopped = Some(at);
            }
            LedgerEntry::Connected { worker, server, at } => {
                self.connections.entry(worker).or_default().push((at, server));
            }
            LedgerEntry::Settled { job, worker, at } => self.settle(&job, &worker, at),
            LedgerEntry::Election(election) => self.elections.push(election),
            LedgerEntry::Deed(deed) => self.deeds.push(deed),
            LedgerEntry::Fault(fault) => self.faults.push(fault),
        }
        Ok(())
    }

    /// A worker stores outcomes of jobs that it did not run, too. An outcome may be more than one message:
    /// the first one counts.
    fn settle(&mut self, job: &str, worker: &str, at: u64) {
        let runs = self.runs.get_mut(job).into_iter().flatten();
        if let Some(last) = runs.rev().find(|run| run.worker == worker) {
            last.settled.get_or_insert(at);
        }
    }

    /// The run of this step on this worker that has not ended.
    fn open_run(&mut self, job: &str, step: ScriptStep, worker: &str) -> Result<&mut HandlerRun> {
        let is_open = |run: &&mut HandlerRun| {
            let open = run.finish.is_none() && run.stopped.is_none();
            open && run.step == step && run.worker == worker
        };
        let runs = self.runs.get_mut(job);
        match runs.and_then(|runs| runs.iter_mut().rev().find(is_open)) {
            Some(run) => Ok(run),
            None => bail!("{job} ended on {worker} but did not start there"),
        }
    }

    /// The handler runs of a job.
    pub fn runs(&self, job: &str) -> &[HandlerRun] {
        self.runs.get(job).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_worker_of_a_server_that_was_away_for_longer_than_a_lease_is_cut_off() {
        let connected =
            |worker: &str, server, at| LedgerEntry::Connected { worker: worker.into(), server, at };
        for (lasted, found) in [(LEASE_MS, vec![]), (LEASE_MS + 1, vec!["there", "moved-in"])] {
            let fault = FaultEntry {
                kind: FaultKind::LeaderIsolated,
                worker: None,
                queue: None,
                server: Some(7),
                from: 1_000,
                to: 1_000 + lasted,
            };
            let history = RunHistory::join([
                connected("elsewhere", 8, 10),
                connected("there", 7, 10),
                connected("moved-in", 8, 10),
                connected("moved-in", 7, 20),
                connected("moved-out", 7, 10),
                connected("moved-out", 8, 20),
                connected("later", 7, 1_001),
                LedgerEntry::Fault(fault),
            ]);
            let history = history.expect("joins");
            let cut = history.faults.iter().filter(|it| it.kind == FaultKind::WorkerCutOff);
            let mut cut: Vec<_> = cut.filter_map(|it| it.worker.as_deref()).collect();
            cut.sort_unstable_by_key(|worker| *worker == "moved-in");
            assert_eq!(cut, found, "{lasted}");
        }
    }
}
