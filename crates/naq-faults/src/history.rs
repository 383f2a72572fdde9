//! The joined ledgers of a run: what was sent, which handlers ran, and which faults happened.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use naq_core::JobState;
use serde::{Deserialize, Serialize};

use crate::ledger::{FaultEntry, LedgerEntry, read};
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
    /// What its script says for this step; `None` if the script has no such step.
    pub will: Option<HandlerAct>,
}

/// What the broker has stored of a job at the end of the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredJob {
    /// Where messages of the job still wait: `queue`, `schedule`.
    pub live: Vec<String>,
    /// Its ends. More than one is a violation.
    pub ends: Vec<JobEnd>,
    /// Records without their dead letter, and dead letters without their record.
    #[serde(default)]
    pub half: Vec<String>,
}

/// One end of a job: a record, or a dead letter with its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEnd {
    /// The state.
    pub state: JobState,
    /// The last step.
    pub step: ScriptStep,
    /// The crashes counted.
    pub crashes: u32,
    /// The rule that decided, for a dead letter.
    pub rule: Option<String>,
    /// When the broker stored it.
    pub at: u64,
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
                let run = HandlerRun { step, crashes, worker, start: at, finish: None, will };
                self.runs.entry(job).or_default().push(run);
            }
            LedgerEntry::Finish { job, step, worker, at } => {
                let open = self.runs.get_mut(&job).and_then(|runs| {
                    runs.iter_mut().rev().find(|run| {
                        run.finish.is_none() && run.step == step && run.worker == worker
                    })
                });
                match open {
                    Some(run) => run.finish = Some(at),
                    None => bail!("{job} finished on {worker} but did not start there"),
                }
            }
            LedgerEntry::Fault(fault) => self.faults.push(fault),
        }
        Ok(())
    }

    /// The handler runs of a job.
    pub fn runs(&self, job: &str) -> &[HandlerRun] {
        self.runs.get(job).map_or(&[], Vec::as_slice)
    }
}
