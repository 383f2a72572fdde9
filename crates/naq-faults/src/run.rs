//! A run: a broker, its workers and a producer, the plan's faults, the drain, the verdict.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use naq_core::transport::Transport;
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{ChaosProxy, ChildProcess, NatsServer};
use tokio::time::{MissedTickBehavior, interval};

use crate::broker;
use crate::check::{Verdict, check};
use crate::fleet::{Fleet, Site};
use crate::history::History;
use crate::ledger::{FaultKind, now};
use crate::plan::{Harm, Plan, QUEUES};
use crate::roles::SHUTDOWN_MS;

/// How often processes are looked at.
const TICK: Duration = Duration::from_millis(10);
/// How long the run may take to drain after its last fault.
const DRAIN: u64 = 60_000;

/// A run under way.
#[derive(Debug)]
struct Run<'a> {
    plan: &'a Plan,
    server: NatsServer,
    proxy: ChaosProxy,
    fleet: Fleet,
    tell: fn(&str),
    start: u64,
}

/// Carries out `plan` in `dir`, telling its progress, and checks what came of it. `program` plays
/// the roles.
///
/// # Errors
/// The run could not be carried out; a broken promise is no error but part of the verdict.
pub async fn run(plan: &Plan, program: &Path, dir: &Path, tell: fn(&str)) -> Result<Verdict> {
    plan.save(dir)?;
    let server = NatsServer::start()?;
    // All processes go through it, so that the network can fail apart from the broker.
    let proxy = ChaosProxy::start(server.address()).await?;
    let transport = connect(&server.url()).await?;
    let site = Site { program: program.to_owned(), dir: dir.to_owned(), url: proxy.url() };
    let fleet = Fleet::start(site.clone(), plan.settings.workers)?;
    let producer = ChildProcess::spawn(site.command("producer"))?;
    let mut run = Run { plan, server, proxy, fleet, tell, start: now() };
    run.harm().await?;
    run.drain(producer, &*transport).await?;
    run.fleet.stop().await?;
    let held = broker::held(&*transport, &plan.jobs).await?;
    Ok(check(plan, &History::load(dir)?, &held))
}

async fn connect(url: &str) -> Result<Arc<dyn Transport>> {
    Ok(Arc::new(NatsTransport::connect(NatsConfig::new(url).name("naq-fault-run")).await?))
}

impl Run<'_> {
    /// The plan's faults, each at its time.
    async fn harm(&mut self) -> Result<()> {
        for fault in &self.plan.faults {
            self.until(self.start + fault.at_ms).await?;
            self.tell(&fault.harm.to_string());
            self.inflict(fault.harm).await?;
        }
        self.until(self.start + self.plan.settings.duration_ms).await
    }

    async fn inflict(&mut self, harm: Harm) -> Result<()> {
        let from = now();
        match harm {
            Harm::KillWorker { place } => self.fleet.kill(place as usize)?,
            Harm::KillBroker { down_ms } => {
                self.server.kill()?;
                self.until(from + down_ms).await?;
                self.server.restart()?;
                self.fleet.record(FaultKind::BrokerKilled, None, from)?;
            }
            Harm::PauseBroker { ms } => {
                self.server.pause()?;
                self.until(from + ms).await?;
                self.server.resume()?;
                self.fleet.record(FaultKind::BrokerPaused, None, from)?;
            }
            Harm::Cut => {
                self.proxy.cut();
                self.fleet.record(FaultKind::NetworkCut, None, from)?;
            }
            Harm::Roll => {
                for place in self.fleet.places() {
                    let life = self.fleet.life(place);
                    self.fleet.terminate(place)?;
                    let patience = now() + 2 * SHUTDOWN_MS;
                    while self.fleet.life(place) == life {
                        ensure!(now() < patience, "worker {place} does not drain");
                        self.until(now() + 1).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Until all jobs are acknowledged and none waits or runs; or until patience ends, and then the
    /// checker says what is left.
    async fn drain(&mut self, mut producer: ChildProcess, transport: &dyn Transport) -> Result<()> {
        self.tell("no more faults: the run drains");
        let patience = now() + DRAIN;
        let mut done = false;
        while now() < patience {
            self.until(now() + 100).await?;
            if let (false, Some(status)) = (done, producer.try_wait()?) {
                ensure!(status.success(), "the producer failed ({status}):\n{}", producer.stderr());
                done = true;
            }
            if done && broker::is_drained(transport, &QUEUES).await? {
                self.tell("drained");
                return Ok(());
            }
        }
        self.tell("not drained in time");
        Ok(())
    }

    /// Waits for that time, and replaces workers that die meanwhile.
    async fn until(&mut self, time: u64) -> Result<()> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while now() < time {
            ticks.tick().await;
            self.fleet.look()?;
        }
        Ok(())
    }

    fn tell(&self, what: &str) {
        let passed = now().saturating_sub(self.start);
        (self.tell)(&format!("{:>4}.{} s  {what}", passed / 1_000, passed % 1_000 / 100));
    }
}

impl Plan {
    /// Writes it into a directory of a run.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let path = dir.join("plan.json");
        let text = serde_json::to_vec(self)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads it from there.
    ///
    /// # Errors
    /// The file is not there, or no plan.
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join("plan.json");
        let text = std::fs::read(&path).with_context(|| format!("no {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no plan", path.display()))
    }
}
