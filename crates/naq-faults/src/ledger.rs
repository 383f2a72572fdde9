//! Ledgers: each process writes what it does to its own file before it continues.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use naq_core::{Clock, SystemClock};
use serde::{Deserialize, Serialize};

use crate::deed::DeedEntry;
use crate::script::{HandlerAct, ScriptStep};

/// One line of a ledger. Times are milliseconds since the Unix epoch; all processes run on one
/// machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rec", rename_all = "snake_case")]
pub enum LedgerEntry {
    /// A producer is about to send a job.
    Sending {
        /// The job.
        job: String,
        /// The time.
        at: u64,
    },
    /// The broker has acknowledged a job.
    Acked {
        /// The job.
        job: String,
        /// The time.
        at: u64,
        /// The job existed already.
        duplicate: bool,
    },
    /// A worker process started.
    Boot {
        /// Its name.
        worker: String,
        /// Its process id.
        pid: u32,
        /// The time.
        at: u64,
    },
    /// A handler started.
    Start {
        /// The job.
        job: String,
        /// The step.
        #[serde(flatten)]
        step: ScriptStep,
        /// The crashes counted so far.
        crashes: u32,
        /// The worker.
        worker: String,
        /// The time.
        at: u64,
        /// What the script says for this step; `None` if the script has no such step.
        will: Option<HandlerAct>,
    },
    /// A handler is about to return or panic.
    Finish {
        /// The job.
        job: String,
        /// The step.
        #[serde(flatten)]
        step: ScriptStep,
        /// The worker.
        worker: String,
        /// The time.
        at: u64,
    },
    /// A worker stopped a handler that had not finished.
    Stopped {
        /// The job.
        job: String,
        /// The step.
        #[serde(flatten)]
        step: ScriptStep,
        /// The worker.
        worker: String,
        /// The time.
        at: u64,
    },
    /// A worker has stored the outcome of an attempt.
    Settled {
        /// The job.
        job: String,
        /// The worker.
        worker: String,
        /// The time.
        at: u64,
    },
    /// A worker has connected to a server.
    Connected {
        /// The worker.
        worker: String,
        /// The port of the server.
        server: u16,
        /// The time.
        at: u64,
    },
    /// The run caused a fault.
    Fault(FaultEntry),
    /// A new leader was elected after the one of a queue was killed.
    Election(ElectionEntry),
    /// An operator did something.
    Deed(DeedEntry),
}

/// An election after the leader of a queue was killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectionEntry {
    /// The queue.
    pub queue: String,
    /// When the leader was killed.
    pub at: u64,
    /// How long the queue's stream or its consumer had no leader, in milliseconds.
    pub broker_ms: u64,
}

/// A fault with its start and end. If it ended at once, both times are equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultEntry {
    /// The kind of fault.
    pub kind: FaultKind,
    /// The worker that it affected; `None` if it affected all of them.
    pub worker: Option<String>,
    /// The queue that it affected; `None` if it affected all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The port of the server that it took from the others; `None` if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<u16>,
    /// When it started.
    pub from: u64,
    /// When it ended, as far as the run could see.
    pub to: u64,
}

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A worker was killed with SIGKILL.
    WorkerKilled,
    /// A job aborted the process of its worker.
    WorkerAborted,
    /// A worker was stopped with SIGTERM, as a deployment does. This must have no effect on jobs.
    WorkerRolled,
    /// A worker ended without a signal. This is always a violation.
    WorkerQuit,
    /// The server of a worker was paused or cut off for longer than a lease. The worker lives, and no other
    /// process can see that: to the others it is gone. Follows from a fault of a server.
    WorkerCutOff,
    /// The broker was killed with SIGKILL. The fault ends when the broker runs again.
    BrokerKilled,
    /// The broker was paused with SIGSTOP.
    BrokerPaused,
    /// All connections were reset.
    NetworkCut,
    /// An operator deleted the consumer of a queue.
    ConsumerDeleted,
    /// The leader of a queue was killed with SIGKILL. Like each fault of a cluster, it ends when all
    /// servers are healthy.
    LeaderKilled,
    /// The leader of a queue was paused with SIGSTOP.
    LeaderPaused,
    /// A server that does not lead a queue was paused with SIGSTOP.
    ReplicaPaused,
    /// Two of three servers were killed with SIGKILL.
    QuorumLost,
    /// The leader of a queue had no route to the other servers.
    LeaderIsolated,
    /// The leaders of a queue stepped down.
    LeaderSteppedDown,
    /// Each server in turn was restarted with SIGTERM.
    ServersRolled,
}

impl FaultKind {
    /// Whether it may make an attempt run again and count as a crash. A deployment must not.
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
            Self::WorkerCutOff => "worker cut off",
            Self::BrokerKilled => "broker killed",
            Self::BrokerPaused => "broker paused",
            Self::NetworkCut => "network cut",
            Self::ConsumerDeleted => "consumer deleted",
            Self::LeaderKilled => "leader killed",
            Self::LeaderPaused => "leader paused",
            Self::ReplicaPaused => "replica paused",
            Self::QuorumLost => "quorum lost",
            Self::LeaderIsolated => "leader isolated",
            Self::LeaderSteppedDown => "leader stepped down",
            Self::ServersRolled => "servers rolled",
        }
    }
}

/// The ledger of a worker, in the directory of its run.
pub(crate) fn ledger_path(dir: &Path, worker: &str) -> PathBuf {
    dir.join(format!("worker-{worker}.jsonl"))
}

/// A file that entries are appended to. Each entry is written before its process continues.
#[derive(Debug)]
pub struct Ledger {
    file: File,
}

impl Ledger {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self { file: file.with_context(|| format!("cannot write {}", path.display()))? })
    }

    /// Writes entries, one per line. They survive the death of this process, but not that of the machine:
    /// to wait for the disk would stop a whole worker for seconds while the disk is busy.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, entries: &[LedgerEntry]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        // One write appends all lines at once, even if other processes write too or this one dies.
        (&self.file).write_all(&lines)
    }
}

/// Reads a ledger. An incomplete last line, left by a crash, is ignored.
///
/// # Errors
/// The file cannot be read, or another line is not an entry.
pub fn read(path: &Path) -> Result<Vec<LedgerEntry>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let complete_lines = text.rfind('\n').map_or("", |end| &text[..end]);
    complete_lines
        .lines()
        .enumerate()
        .map(|(at, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("{}:{}: {line}", path.display(), at + 1))
        })
        .collect()
}

/// The current time in milliseconds since the Unix epoch.
pub fn now() -> u64 {
    SystemClock.now().as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_back_and_an_incomplete_line_is_ignored() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ledger.jsonl");
        let ledger = Ledger::open(&path).expect("opens");
        let entries = [
            LedgerEntry::Sending { job: "a".into(), at: 1 },
            LedgerEntry::Start {
                job: "a".into(),
                step: ScriptStep { attempt: 2, snoozes: 1 },
                crashes: 3,
                worker: "w".into(),
                at: 4,
                will: Some(HandlerAct::Fail),
            },
        ];
        ledger.write(&entries).expect("writes");
        (&ledger.file).write_all(b"{\"rec\":\"finish\",\"jo").expect("writes");
        assert_eq!(read(&path).expect("reads"), entries);
    }

    #[test]
    fn an_invalid_line_in_the_middle_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ledger.jsonl");
        std::fs::write(&path, "nonsense\n{\"rec\":\"sending\",\"job\":\"a\",\"at\":1}\n")
            .expect("writes");
        assert!(read(&path).expect_err("refused").to_string().contains("ledger.jsonl:1"));
    }
}
