//! The broker of a run: one server, or a cluster of three. All processes of the run connect to it through
//! proxies, so that the network can fail without the broker.

use std::future::Future;
use std::pin::pin;

use anyhow::{Result, bail};
use naq_testing::{CLUSTER_SIZE, ChaosProxy, NatsCluster, NatsServer};
use tokio::time::{MissedTickBehavior, interval};

use crate::cluster_plan::ClusterHarm;
use crate::fleet::{Fleet, TICK};
use crate::ledger::{ElectionEntry, LedgerEntry, now};

/// The servers, with a proxy in front of each.
#[derive(Debug)]
pub(crate) struct Servers {
    broker: Broker,
    proxies: Vec<ChaosProxy>,
}

#[derive(Debug)]
enum Broker {
    One(NatsServer),
    Cluster(NatsCluster),
}

impl Servers {
    /// Starts one server, or a cluster of three.
    pub(crate) async fn start(count: u32) -> Result<Self> {
        let broker = match count as usize {
            1 => Broker::One(NatsServer::start()?),
            CLUSTER_SIZE => Broker::Cluster(NatsCluster::start_with_links().await?),
            n => bail!("a run has 1 or {CLUSTER_SIZE} servers, not {n}"),
        };
        let addresses = match &broker {
            Broker::One(server) => vec![server.address()],
            Broker::Cluster(cluster) => {
                cluster.places().map(|place| cluster.server(place).address()).collect()
            }
        };
        let mut proxies = Vec::new();
        for address in addresses {
            proxies.push(ChaosProxy::start(address).await?);
        }
        Ok(Self { broker, proxies })
    }

    /// The URLs of the servers, which no fault of the network affects.
    pub(crate) fn url(&self) -> String {
        match &self.broker {
            Broker::One(server) => server.url(),
            Broker::Cluster(cluster) => cluster.url(),
        }
    }

    /// The URLs of the proxies.
    pub(crate) fn proxy_url(&self) -> String {
        self.proxies.iter().map(ChaosProxy::url).collect::<Vec<_>>().join(",")
    }

    /// Resets all connections of clients.
    pub(crate) fn cut(&self) {
        self.proxies.iter().for_each(ChaosProxy::cut);
    }

    /// The only server of a run with one.
    pub(crate) fn one(&mut self) -> Result<&mut NatsServer> {
        match &mut self.broker {
            Broker::One(server) => Ok(server),
            Broker::Cluster(_) => bail!("this fault is for a run with one server"),
        }
    }

    /// Causes a fault of the cluster, and waits until all servers are healthy again. A server that does not
    /// become so by itself is restarted, and returned with what it lacked. Workers that end meanwhile are
    /// replaced.
    pub(crate) async fn cause(
        &mut self,
        harm: ClusterHarm,
        fleet: &mut Fleet,
    ) -> Result<Vec<String>> {
        let Broker::Cluster(cluster) = &mut self.broker else {
            bail!("this fault is for a run with {CLUSTER_SIZE} servers");
        };
        let stream = format!("NAQ_Q_{}", harm.queue());
        let leader = meanwhile(fleet, cluster.leader(&stream, None)).await?;
        let others = cluster.places().filter(|place| *place != leader);
        let others: Vec<_> = others.collect();
        let mut alone = None;
        let from = now();
        match harm {
            ClusterHarm::KillLeader { down_ms, .. } => {
                cluster.server_mut(leader).kill()?;
                let election = async {
                    cluster.leader(&stream, None).await?;
                    cluster.leader(&stream, Some("workers")).await
                };
                meanwhile(fleet, election).await?;
                let queue = harm.queue().to_owned();
                let election = ElectionEntry { queue, at: from, broker_ms: now() - from };
                fleet.write(&LedgerEntry::Election(election))?;
                meanwhile(fleet, until(from + down_ms)).await?;
                cluster.server_mut(leader).restart()?;
            }
            ClusterHarm::PauseLeader { ms, .. } => {
                alone = Some(leader);
                cluster.server_mut(leader).pause()?;
                meanwhile(fleet, until(from + ms)).await?;
                cluster.server_mut(leader).resume()?;
            }
            ClusterHarm::PauseReplica { ms, .. } => {
                alone = Some(others[0]);
                cluster.server_mut(others[0]).pause()?;
                meanwhile(fleet, until(from + ms)).await?;
                cluster.server_mut(others[0]).resume()?;
            }
            ClusterHarm::LoseQuorum { down_ms, .. } => {
                for place in &others {
                    cluster.server_mut(*place).kill()?;
                }
                meanwhile(fleet, until(from + down_ms)).await?;
                for place in &others {
                    cluster.server_mut(*place).restart()?;
                }
            }
            ClusterHarm::IsolateLeader { ms, .. } => {
                alone = Some(leader);
                cluster.isolate(leader);
                meanwhile(fleet, until(from + ms)).await?;
                cluster.heal();
            }
            ClusterHarm::StepDown { .. } => {
                meanwhile(fleet, cluster.step_down(&stream, None)).await?;
                meanwhile(fleet, cluster.step_down(&stream, Some("workers"))).await?;
            }
            ClusterHarm::RollServers => meanwhile(fleet, cluster.roll()).await?,
        }
        let restarted = match meanwhile(fleet, cluster.wait_until_healthy()).await {
            Ok(()) => Vec::new(),
            Err(_) => meanwhile(fleet, cluster.restart_unhealthy()).await?,
        };
        let alone = alone.map(|place| cluster.server(place).port());
        fleet.record_of_server(harm.kind(), None, alone, from)?;
        Ok(restarted)
    }
}

async fn until(time: u64) -> Result<()> {
    let mut ticks = interval(TICK);
    while now() < time {
        ticks.tick().await;
    }
    Ok(())
}

/// Waits for `work`, and replaces workers that end in the meantime.
pub(crate) async fn meanwhile<T>(
    fleet: &mut Fleet,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut work = pin!(work);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => fleet.replace_ended()?,
        }
    }
}
