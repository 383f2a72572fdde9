//! Ledgers: what a process did, written to a file of its own before it goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use naq_core::{Clock, SystemClock};
use serde::{Deserialize, Serialize};

use crate::script::{Act, Step};

/// One line of a ledger. Times are milliseconds since the Unix epoch, all of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rec", rename_all = "snake_case")]
pub enum Entry {
    /// A producer is about to send a job.
    Sending {
        /// The job.
        job: String,
        /// When.
        at: u64,
    },
    /// The broker has acknowledged it.
    Acked {
        /// The job.
        job: String,
        /// When.
        at: u64,
        /// It was there already.
        duplicate: bool,
    },
    /// A worker process began.
    Boot {
        /// Its name.
        worker: String,
        /// Its process.
        pid: u32,
        /// When.
        at: u64,
    },
    /// A handler began.
    Start {
        /// The job.
        job: String,
        /// The step.
        #[serde(flatten)]
        step: Step,
        /// Deaths counted so far.
        crashes: u32,
        /// The worker.
        worker: String,
        /// When.
        at: u64,
        /// What it is going to do; none for a step that its script does not have.
        will: Option<Act>,
    },
    /// A handler is about to return, panic or be done with its work.
    Finish {
        /// The job.
        job: String,
        /// The step.
        #[serde(flatten)]
        step: Step,
        /// The worker.
        worker: String,
        /// When.
        at: u64,
    },
    /// The run did harm.
    Fault(Fault),
}

/// Harm done, from when until when. A process killed and seen dead at once has both the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What was done.
    pub kind: FaultKind,
    /// The worker that it was done to; none for what harms all of them.
    pub worker: Option<String>,
    /// When it began.
    pub from: u64,
    /// When it was over, as far as the run could see.
    pub to: u64,
}

/// Kinds of harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A worker, with SIGKILL.
    WorkerKilled,
    /// A worker, by a job that aborts its process.
    WorkerAborted,
    /// A worker, with SIGTERM: a deploy, which is to have no effect at all.
    WorkerRolled,
    /// A worker, by itself and unasked: always a violation.
    WorkerQuit,
    /// The broker, with SIGKILL, until it ran again.
    BrokerKilled,
    /// The broker, with SIGSTOP.
    BrokerPaused,
    /// All connections, reset.
    NetworkCut,
}

impl FaultKind {
    /// Whether it can make an attempt run again, and count as a crash. A deploy must not.
    pub const fn is_harm(self) -> bool {
        !matches!(self, Self::WorkerRolled)
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WorkerKilled => "worker killed",
            Self::WorkerAborted => "worker aborted",
            Self::WorkerRolled => "worker rolled",
            Self::WorkerQuit => "worker quit",
            Self::BrokerKilled => "broker killed",
            Self::BrokerPaused => "broker paused",
            Self::NetworkCut => "network cut",
        }
    }
}

/// A file that only grows, each entry on disk before the next thing happens.
#[derive(Debug)]
pub struct Ledger {
    file: File,
}

impl Ledger {
    /// Opens or creates it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self { file: file.with_context(|| format!("cannot write {}", path.display()))? })
    }

    /// Writes entries in one go, each on a line, and waits until the disk has them.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, entries: &[Entry]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        // One write: appended as a whole, whoever else writes and whenever the process dies.
        (&self.file).write_all(&lines)?;
        self.file.sync_data()
    }
}

/// Reads a ledger. A last line that was torn by a crash is left out.
///
/// # Errors
/// The file cannot be read, or another line is no entry.
pub fn read(path: &Path) -> Result<Vec<Entry>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .enumerate()
        .map(|(at, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("{}:{}: {line}", path.display(), at + 1))
        })
        .collect()
}

/// The time, as ledgers write it.
pub fn now() -> u64 {
    SystemClock.now().as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_a_torn_line_does_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ledger.jsonl");
        let ledger = Ledger::open(&path).expect("opens");
        let entries = [
            Entry::Sending { job: "a".into(), at: 1 },
            Entry::Start {
                job: "a".into(),
                step: Step { attempt: 2, snoozes: 1 },
                crashes: 3,
                worker: "w".into(),
                at: 4,
                will: Some(Act::Fail),
            },
        ];
        ledger.write(&entries).expect("writes");
        (&ledger.file).write_all(b"{\"rec\":\"finish\",\"jo").expect("writes");
        assert_eq!(read(&path).expect("reads"), entries);
    }

    #[test]
    fn nonsense_in_the_middle_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ledger.jsonl");
        std::fs::write(&path, "nonsense\n{\"rec\":\"sending\",\"job\":\"a\",\"at\":1}\n")
            .expect("writes");
        assert!(read(&path).expect_err("refused").to_string().contains("ledger.jsonl:1"));
    }
}
