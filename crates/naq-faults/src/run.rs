//! Runs a plan: starts the broker, workers and producer, causes the faults, drains, and checks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use naq_core::transport::Transport;
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::ChildProcess;
use tokio::time::{MissedTickBehavior, interval};

use crate::broker;
use crate::check::{CheckReport, FinalState, check};
use crate::fleet::{Fleet, RunPaths, TICK};
use crate::history::RunHistory;
use crate::ledger::{FaultKind, now};
use crate::plan::{Harm, QUEUES, RunPlan};
use crate::roles::SHUTDOWN_MS;
use crate::servers::Servers;

/// How often the workers' lists of begun jobs are read. The broker keeps those of dead workers longer.
const LISTS: u64 = 60_000;
/// How long the run may take to drain after its last fault, in milliseconds: a minute, and half of its
/// duration for jobs that a busy machine did not run in time.
const fn drain_limit(duration_ms: u64) -> u64 {
    60_000 + duration_ms / 2
}

/// A run in progress.
#[derive(Debug)]
struct FaultRun<'a> {
    plan: &'a RunPlan,
    servers: Servers,
    fleet: Fleet,
    transport: Arc<dyn Transport>,
    /// The jobs in the last list of each worker.
    listed: BTreeMap<String, BTreeSet<String>>,
    lists_read_at: u64,
    print: fn(&str),
    start: u64,
}

/// Runs `plan` in `dir`, reports its progress to `print`, and checks the result. `program` runs the
/// roles.
///
/// # Errors
/// The run itself failed. A broken promise is not an error but part of the report.
pub async fn run(
    plan: &RunPlan,
    program: &Path,
    dir: &Path,
    print: fn(&str),
) -> Result<CheckReport> {
    plan.save(dir)?;
    let servers = Servers::start(plan.settings.servers).await?;
    let transport = connect(&servers.url()).await?;
    let url = servers.proxy_url();
    let paths = RunPaths { program: program.to_owned(), dir: dir.to_owned(), url };
    let fleet = Fleet::start(paths.clone(), plan.settings.workers)?;
    let producer = ChildProcess::spawn(paths.command("producer"))?;
    let operators = ChildProcess::spawn(paths.command("operators"))?;
    let (start, listed) = (now(), BTreeMap::new());
    let mut run = FaultRun {
        plan,
        servers,
        fleet,
        transport: transport.clone(),
        listed,
        lists_read_at: start,
        print,
        start,
    };
    run.cause_faults().await?;
    run.drain(vec![("producer", producer), ("operators", operators)]).await?;
    run.read_lists().await?;
    run.fleet.stop().await?;
    let last = FinalState {
        jobs: broker::stored_jobs(&*transport, &plan.jobs).await?,
        stranded: broker::stranded(&*transport, &QUEUES).await?,
        listed: run.listed,
    };
    Ok(check(plan, &RunHistory::load(dir)?, &last))
}

async fn connect(url: &str) -> Result<Arc<dyn Transport>> {
    Ok(Arc::new(NatsTransport::connect(NatsConfig::new(url).name("naq-fault-run")).await?))
}

impl FaultRun<'_> {
    /// Causes each fault of the plan at its planned time.
    async fn cause_faults(&mut self) -> Result<()> {
        for fault in &self.plan.faults {
            if now() > self.lists_read_at + LISTS {
                self.read_lists().await?;
            }
            self.until(self.start + fault.at_ms).await?;
            self.print_progress(&fault.harm.to_string());
            self.cause(fault.harm).await?;
        }
        self.until(self.start + self.plan.settings.duration_ms).await
    }

    async fn cause(&mut self, harm: Harm) -> Result<()> {
        let from = now();
        match harm {
            Harm::KillWorker { place } => self.fleet.kill(place as usize)?,
            Harm::KillBroker { down_ms } => {
                self.servers.one()?.kill()?;
                self.until(from + down_ms).await?;
                self.servers.one()?.restart()?;
                self.fleet.record(FaultKind::BrokerKilled, None, from)?;
            }
            Harm::PauseBroker { ms } => {
                self.servers.one()?.pause()?;
                self.until(from + ms).await?;
                self.servers.one()?.resume()?;
                self.fleet.record(FaultKind::BrokerPaused, None, from)?;
            }
            Harm::Cut => {
                self.servers.cut();
                self.fleet.record(FaultKind::NetworkCut, None, from)?;
            }
            Harm::Cluster(harm) => {
                for server in self.servers.cause(harm, &mut self.fleet).await? {
                    self.print_progress(&format!("not healthy by itself, restarted: {server}"));
                }
            }
            Harm::Roll => {
                for place in self.fleet.places() {
                    let generation = self.fleet.generation(place);
                    self.fleet.terminate(place)?;
                    let time_limit = now() + 2 * SHUTDOWN_MS;
                    while self.fleet.generation(place) == generation {
                        ensure!(now() < time_limit, "worker {place} does not drain");
                        self.until(now() + 1).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits until all jobs are acknowledged, all deeds are done, and no job is waiting or running, or
    /// until the time limit. The checker reports what is left.
    async fn drain(&mut self, mut roles: Vec<(&str, ChildProcess)>) -> Result<()> {
        self.print_progress("no more faults: draining");
        let time_limit = now() + drain_limit(self.plan.settings.duration_ms);
        while now() < time_limit {
            self.until(now() + 100).await?;
            let mut left = Vec::new();
            for (name, mut role) in roles {
                match role.try_wait()? {
                    Some(status) => {
                        ensure!(status.success(), "{name} failed ({status}):\n{}", role.stderr());
                    }
                    None => left.push((name, role)),
                }
            }
            roles = left;
            if roles.is_empty() && broker::is_drained(&*self.transport, &QUEUES).await? {
                self.print_progress("drained");
                return Ok(());
            }
        }
        self.print_progress("the run did not drain in time");
        Ok(())
    }

    /// Waits until `time`, and replaces workers that end in the meantime.
    async fn until(&mut self, time: u64) -> Result<()> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while now() < time {
            ticks.tick().await;
            self.fleet.replace_ended()?;
        }
        Ok(())
    }

    /// Reads the workers' lists. A worker that died stores no more lists, so its last one is the one
    /// that the broker had at its death.
    async fn read_lists(&mut self) -> Result<()> {
        self.listed.extend(broker::listed_jobs(&*self.transport).await?);
        self.lists_read_at = now();
        Ok(())
    }

    fn print_progress(&self, what: &str) {
        let passed = now().saturating_sub(self.start);
        (self.print)(&format!("{:>4}.{} s  {what}", passed / 1_000, passed % 1_000 / 100));
    }
}

impl RunPlan {
    /// Writes the plan into the directory of a run.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let path = dir.join("plan.json");
        let text = serde_json::to_vec(self)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads the plan from the directory of a run.
    ///
    /// # Errors
    /// The file does not exist, or is not a plan.
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join("plan.json");
        let text =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is not a plan", path.display()))
    }
}
