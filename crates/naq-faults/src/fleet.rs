//! The worker processes of a run: started, killed, rolled, and replaced when they die.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use naq_testing::ChildProcess;

use crate::ledger::{Entry, Fault, FaultKind, Ledger, now};
use crate::plan::QUEUES;
use crate::roles::SHUTDOWN_MS;

const SIGABRT: i32 = 6;

/// Where processes come from and what they are told.
#[derive(Debug, Clone)]
pub struct Site {
    /// The program that plays all roles.
    pub program: PathBuf,
    /// Where the plan is, and ledgers go.
    pub dir: PathBuf,
    /// Where the broker is.
    pub url: String,
}

/// The workers, each in its place.
#[derive(Debug)]
pub struct Fleet {
    site: Site,
    ledger: Ledger,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    place: usize,
    life: u32,
    child: ChildProcess,
    /// Since when it has been told to end.
    told: Option<u64>,
}

impl Site {
    /// The command of a role, to which more can be added.
    pub fn command(&self, role: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(role).arg("--url").arg(&self.url).arg("--dir").arg(&self.dir);
        command
    }
}

impl Member {
    fn start(site: &Site, place: usize, life: u32) -> Result<Self> {
        let mut command = site.command("worker");
        command.args(["--name", &name(place, life)]).args(QUEUES);
        Ok(Self { place, life, child: ChildProcess::spawn(command)?, told: None })
    }

    fn name(&self) -> String {
        name(self.place, self.life)
    }
}

fn name(place: usize, life: u32) -> String {
    format!("w{place}-{life}")
}

impl Fleet {
    /// Starts so many workers.
    ///
    /// # Errors
    /// A process cannot be started, the ledger of faults not be written.
    pub fn start(site: Site, workers: u32) -> Result<Self> {
        let ledger = Ledger::open(&site.dir.join("faults.jsonl"))?;
        let members = (0..workers as usize).map(|place| Member::start(&site, place, 0));
        let members = members.collect::<Result<_>>()?;
        Ok(Self { site, ledger, members })
    }

    /// Writes a fault down that has just ended.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn record(&self, kind: FaultKind, worker: Option<String>, from: u64) -> Result<()> {
        let fault = Fault { kind, worker, from, to: now() };
        self.ledger.write(&[Entry::Fault(fault)]).context("the ledger of faults")
    }

    /// Kills the worker in this place and starts another there. One that had just died is left.
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
        self.ended(place, kind, from)
    }

    /// Tells the worker in this place to drain. [`look`](Self::look) replaces it when it has ended.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn terminate(&mut self, place: usize) -> Result<()> {
        let member = &mut self.members[place];
        member.told = Some(now());
        member.child.terminate()
    }

    /// How many times the worker in this place was replaced.
    pub fn life(&self, place: usize) -> u32 {
        self.members[place].life
    }

    /// The places.
    pub fn places(&self) -> std::ops::Range<usize> {
        0..self.members.len()
    }

    /// Replaces those that have ended, and writes down why.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn look(&mut self) -> Result<()> {
        for place in self.places() {
            let member = &mut self.members[place];
            let Some(status) = member.child.try_wait()? else { continue };
            let (kind, from) = verdict(status, member.told);
            self.ended(place, kind, from)?;
        }
        Ok(())
    }

    /// Ends all workers for good, with SIGTERM.
    ///
    /// # Errors
    /// One is still there after its grace period.
    pub async fn stop(mut self) -> Result<()> {
        for place in self.places() {
            self.terminate(place)?;
        }
        for place in self.places() {
            let member = &mut self.members[place];
            let status = member.child.wait(Duration::from_millis(2 * SHUTDOWN_MS)).await?;
            let (kind, from) = verdict(status, member.told);
            let worker = self.keep_log(place)?;
            self.record(kind, Some(worker), from)?;
        }
        Ok(())
    }

    fn ended(&mut self, place: usize, kind: FaultKind, from: u64) -> Result<()> {
        let worker = self.keep_log(place)?;
        self.record(kind, Some(worker), from)?;
        let life = self.members[place].life + 1;
        self.members[place] = Member::start(&self.site, place, life)?;
        Ok(())
    }

    /// The log of a worker that has ended goes beside its ledger.
    fn keep_log(&self, place: usize) -> Result<String> {
        let (member, worker) = (&self.members[place], self.members[place].name());
        let path = self.site.dir.join(format!("worker-{worker}.log"));
        std::fs::write(&path, member.child.stderr()).context("cannot keep a log")?;
        Ok(worker)
    }
}

/// Why a worker ended, and since when it was ending.
fn verdict(status: ExitStatus, told: Option<u64>) -> (FaultKind, u64) {
    if status.signal() == Some(SIGABRT) {
        return (FaultKind::WorkerAborted, now());
    }
    match told {
        Some(told) if status.success() => (FaultKind::WorkerRolled, told),
        _ => (FaultKind::WorkerQuit, now()),
    }
}
