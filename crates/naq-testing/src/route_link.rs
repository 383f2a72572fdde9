//! The routes between the servers of a cluster, each with a proxy that can cut it.

use std::time::Duration;

use anyhow::Result;

use crate::ChaosProxy;

/// A proxy for each ordered pair of servers: both of them open a route to the other.
#[derive(Debug)]
pub(crate) struct RouteLinks {
    links: Vec<RouteLink>,
}

#[derive(Debug)]
struct RouteLink {
    from: usize,
    to: usize,
    proxy: ChaosProxy,
}

impl RouteLinks {
    /// Starts the proxies to the route listeners at these ports.
    pub(crate) async fn start(ports: &[u16]) -> Result<Self> {
        let mut links = Vec::new();
        for from in 0..ports.len() {
            for to in (0..ports.len()).filter(|to| *to != from) {
                let proxy = ChaosProxy::start(format!("127.0.0.1:{}", ports[to])).await?;
                links.push(RouteLink { from, to, proxy });
            }
        }
        Ok(Self { links })
    }

    /// The address at which the server `from` reaches the server `to`.
    pub(crate) fn address(&self, from: usize, to: usize) -> &str {
        let link = self.links.iter().find(|link| link.from == from && link.to == to);
        link.map_or("", |link| link.proxy.address())
    }

    /// Cuts all routes of this server, and refuses new ones.
    pub(crate) fn isolate(&self, place: usize) {
        for link in self.links.iter().filter(|link| link.from == place || link.to == place) {
            link.proxy.refuse();
            link.proxy.cut();
        }
    }

    /// Delays all data on the routes of this server.
    pub(crate) fn delay(&self, place: usize, delay: Duration) {
        for link in self.links.iter().filter(|link| link.from == place || link.to == place) {
            link.proxy.delay(delay);
        }
    }

    /// Ends all faults. The servers open their routes again.
    pub(crate) fn heal(&self) {
        for link in &self.links {
            link.proxy.heal();
        }
    }
}
