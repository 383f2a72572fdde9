//! Ledgers, joined: for each job what was sent and what ran, and what went wrong around it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use naq_core::JobState;
use serde::{Deserialize, Serialize};

use crate::ledger::{Entry, Fault, read};
use crate::script::{Act, Step};

/// All ledgers of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// What was sent, by job.
    pub sent: BTreeMap<String, Sent>,
    /// What ran, by job, in the order in which it started.
    pub runs: BTreeMap<String, Vec<Run>>,
    /// What was done to the run.
    pub faults: Vec<Fault>,
}

/// A job as its producer saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// When it was about to be sent for the first time.
    pub first: u64,
    /// When it was first acknowledged.
    pub acked: Option<u64>,
}

/// One run of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The step.
    pub step: Step,
    /// Deaths that the handler was told of.
    pub crashes: u32,
    /// On which worker.
    pub worker: String,
    /// When it began.
    pub start: u64,
    /// When its work was done; none when it was cut off.
    pub finish: Option<u64>,
    /// What it was to do; none for a step that its script does not have.
    pub will: Option<Act>,
}

/// What the broker holds of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Where something of it still waits: `queue`, `schedule`.
    pub live: Vec<String>,
    /// How it ended; more than one is one too many.
    pub ends: Vec<End>,
    /// Of a record and a letter, which belong together, what is there without the other.
    #[serde(default)]
    pub half: Vec<String>,
}

/// One end of a job: a record or a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The state.
    pub state: JobState,
    /// The last step.
    pub step: Step,
    /// Deaths counted.
    pub crashes: u32,
    /// The rule, for a dead letter.
    pub rule: Option<String>,
    /// When the broker stored it.
    pub at: u64,
}

impl History {
    /// Joins the ledgers (`*.jsonl`) of a directory.
    ///
    /// # Errors
    /// A ledger cannot be read, or contradicts itself.
    pub fn load(dir: &Path) -> Result<Self> {
        let mut entries = Vec::new();
        for file in std::fs::read_dir(dir).with_context(|| format!("no {}", dir.display()))? {
            let path = file?.path();
            if path.extension().is_some_and(|ext| ext == "jsonl") {
                entries.extend(read(&path)?);
            }
        }
        Self::join(entries)
    }

    /// Joins entries; those of one process must be in their order.
    ///
    /// # Errors
    /// A finish without its start, an ack of what was not sent.
    pub fn join(entries: impl IntoIterator<Item = Entry>) -> Result<Self> {
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

    fn add(&mut self, entry: Entry) -> Result<()> {
        match entry {
            Entry::Sending { job, at } => {
                self.sent
                    .entry(job)
                    .and_modify(|sent| sent.first = sent.first.min(at))
                    .or_insert(Sent { first: at, acked: None });
            }
            Entry::Acked { job, at, .. } => {
                let sent = self.sent.get_mut(&job);
                let sent = sent.with_context(|| format!("{job} acknowledged but never sent"))?;
                sent.acked = Some(sent.acked.map_or(at, |first| first.min(at)));
            }
            Entry::Boot { .. } => {}
            Entry::Start { job, step, crashes, worker, at, will } => {
                let run = Run { step, crashes, worker, start: at, finish: None, will };
                self.runs.entry(job).or_default().push(run);
            }
            Entry::Finish { job, step, worker, at } => {
                let open = self.runs.get_mut(&job).and_then(|runs| {
                    runs.iter_mut().rev().find(|run| {
                        run.finish.is_none() && run.step == step && run.worker == worker
                    })
                });
                match open {
                    Some(run) => run.finish = Some(at),
                    None => bail!("{job} finished on {worker} but never started there"),
                }
            }
            Entry::Fault(fault) => self.faults.push(fault),
        }
        Ok(())
    }

    /// What ran of a job.
    pub fn runs(&self, job: &str) -> &[Run] {
        self.runs.get(job).map_or(&[], Vec::as_slice)
    }
}
