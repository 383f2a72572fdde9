//! The joined ledgers of a run: what was sent, which handlers ran, and which faults happened.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::deed::DeedEntry;
use crate::ledger::{ElectionEntry, FaultEntry, LedgerEntry, read};
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
        history.faults.sort_by_key(|fault| fault.from);
        history.deeds.sort_by_key(|deed| deed.from);
        history.elections.sort_by_key(|election| election.at);
        Ok(history)
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
