//! The worker processes of a run. They are started, killed, terminated, and replaced when they end.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use naq_testing::ChildProcess;

use crate::ledger::{FaultEntry, FaultKind, Ledger, LedgerEntry, ledger_path, now};
use crate::plan::QUEUES;
use crate::roles::SHUTDOWN_MS;

const SIGABRT: i32 = 6;
/// How often ended workers are replaced.
pub(crate) const TICK: Duration = Duration::from_millis(10);
const SIGTERM: i32 = 15;

/// The program, directory and broker of a run's processes.
#[derive(Debug, Clone)]
pub struct RunPaths {
    /// The program that runs all roles.
    pub program: PathBuf,
    /// The directory with the plan and the ledgers.
    pub dir: PathBuf,
    /// The broker's URL.
    pub url: String,
}

/// The workers, each with a place number.
#[derive(Debug)]
pub struct Fleet {
    paths: RunPaths,
    ledger: Ledger,
    members: Vec<FleetMember>,
}

#[derive(Debug)]
struct FleetMember {
    place: usize,
    generation: u32,
    child: ChildProcess,
    /// When the worker got the stop signal.
    stop_requested_at: Option<u64>,
}

impl RunPaths {
    /// The command of a role. The caller adds its arguments.
    pub fn command(&self, role: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(role).arg("--url").arg(&self.url).arg("--dir").arg(&self.dir);
        command
    }
}

impl FleetMember {
    fn start(paths: &RunPaths, place: usize, generation: u32) -> Result<Self> {
        let mut command = paths.command("worker");
        command.args(["--name", &name(place, generation)]).args(QUEUES);
        Ok(Self {
            place,
            generation,
            child: ChildProcess::spawn(command)?,
            stop_requested_at: None,
        })
    }

    fn name(&self) -> String {
        name(self.place, self.generation)
    }

    /// Why it ended, and when its end began.
    fn exit_cause(&self, paths: &RunPaths, status: ExitStatus) -> (FaultKind, u64) {
        if status.signal() == Some(SIGABRT) {
            return (FaultKind::WorkerAborted, now());
        }
        // Until it listens to signals, the system ends it. It has not begun to work then.
        let begun = || ledger_path(&paths.dir, &self.name()).exists();
        match self.stop_requested_at {
            Some(at) if status.success() => (FaultKind::WorkerRolled, at),
            Some(at) if status.signal() == Some(SIGTERM) && !begun() => {
                (FaultKind::WorkerRolled, at)
            }
            _ => (FaultKind::WorkerQuit, now()),
        }
    }
}

fn name(place: usize, generation: u32) -> String {
    format!("w{place}-{generation}")
}

impl Fleet {
    /// Starts `workers` worker processes.
    ///
    /// # Errors
    /// A process cannot be started, or the ledger of faults cannot be written.
    pub fn start(paths: RunPaths, workers: u32) -> Result<Self> {
        let ledger = Ledger::open(&paths.dir.join("faults.jsonl"))?;
        let members = (0..workers as usize).map(|place| FleetMember::start(&paths, place, 0));
        let members = members.collect::<Result<_>>()?;
        Ok(Self { paths, ledger, members })
    }

    /// Writes a fault that has just ended to the ledger.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn record(&self, kind: FaultKind, worker: Option<String>, from: u64) -> Result<()> {
        self.record_of_server(kind, worker, None, from)
    }

    /// The same for a fault that takes a server from the others.
    pub(crate) fn record_of_server(
        &self,
        kind: FaultKind,
        worker: Option<String>,
        server: Option<u16>,
        from: u64,
    ) -> Result<()> {
        let fault = FaultEntry { kind, worker, queue: None, server, from, to: now() };
        self.ledger.write(&[LedgerEntry::Fault(fault)]).context("cannot write the ledger of faults")
    }

    /// Writes an entry to the ledger of faults.
    pub(crate) fn write(&self, entry: &LedgerEntry) -> Result<()> {
        let written = self.ledger.write(std::slice::from_ref(entry));
        written.context("cannot write the ledger of faults")
    }

    /// Kills the worker at this place and starts a new one. If it had just ended by itself, it is
    /// only replaced.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn kill(&mut self, place: usize) -> Result<()> {
        let from = now();
        let member = &mut self.members[place];
        let status = member.child.kill()?;
        let kind = if status.signal() == Some(SIGABRT) {
            FaultKind::WorkerAborted
        } else {
            FaultKind::WorkerKilled
        };
        self.replace(place, kind, from)
    }

    /// Sends SIGTERM to the worker at this place, so that it drains. When it has ended,
    /// [`replace_ended`](Self::replace_ended) replaces it.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn terminate(&mut self, place: usize) -> Result<()> {
        let member = &mut self.members[place];
        member.stop_requested_at = Some(now());
        member.child.terminate()
    }

    /// How often the worker at this place was replaced.
    pub fn generation(&self, place: usize) -> u32 {
        self.members[place].generation
    }

    /// The places.
    pub fn places(&self) -> std::ops::Range<usize> {
        0..self.members.len()
    }

    /// Replaces the workers that have ended, and writes the cause to the ledger.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn replace_ended(&mut self) -> Result<()> {
        for place in self.places() {
            let member = &mut self.members[place];
            let Some(status) = member.child.try_wait()? else { continue };
            let (kind, from) = member.exit_cause(&self.paths, status);
            self.replace(place, kind, from)?;
        }
        Ok(())
    }

    /// Stops all workers with SIGTERM and does not replace them.
    ///
    /// # Errors
    /// A worker still runs after its shutdown timeout.
    pub async fn stop(mut self) -> Result<()> {
        for place in self.places() {
            self.terminate(place)?;
        }
        for place in self.places() {
            let member = &mut self.members[place];
            let status = member.child.wait(Duration::from_millis(2 * SHUTDOWN_MS)).await?;
            let (kind, from) = member.exit_cause(&self.paths, status);
            let worker = self.store_log(place)?;
            self.record(kind, Some(worker), from)?;
        }
        Ok(())
    }

    fn replace(&mut self, place: usize, kind: FaultKind, from: u64) -> Result<()> {
        let worker = self.store_log(place)?;
        self.record(kind, Some(worker), from)?;
        let generation = self.members[place].generation + 1;
        self.members[place] = FleetMember::start(&self.paths, place, generation)?;
        Ok(())
    }

    /// Stores the log of a worker that has ended, beside its ledger.
    fn store_log(&self, place: usize) -> Result<String> {
        let member = &self.members[place];
        let worker = member.name();
        let path = self.paths.dir.join(format!("worker-{worker}.log"));
        std::fs::write(&path, member.child.stderr()).context("cannot write a worker's log")?;
        Ok(worker)
    }
}
