//! A cluster of real nats-servers that belongs to a test.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::route_link::RouteLinks;
use crate::server::free_port;
use crate::{NatsConnection, NatsServer, monitor};

/// How many servers a cluster has.
pub const CLUSTER_SIZE: usize = 3;
/// An election takes 4 to 9 seconds. Several of them follow each other on a busy machine, and then a
/// replica catches up.
const TIME_LIMIT: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Three nats-servers with JetStream on loopback ports, each with its own store. They are killed when
/// this value is dropped.
///
/// A server is named by its place, from 0. Clients learn no other addresses than those of
/// [`url`](Self::url).
#[derive(Debug)]
pub struct NatsCluster {
    servers: Vec<NatsServer>,
    monitor_ports: Vec<u16>,
    /// The proxies between the servers, in a cluster that can be partitioned.
    links: Option<RouteLinks>,
}

impl NatsCluster {
    /// Starts three servers, and waits until they are healthy.
    ///
    /// # Errors
    ///
    /// There is no nats-server, or the servers did not form a cluster in 90 seconds.
    pub async fn start() -> Result<Self> {
        Self::start_with(false).await
    }

    /// The same, with a proxy on each route between two servers, so that [`isolate`](Self::isolate)
    /// works. It needs a runtime with several threads, because some methods block.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub async fn start_with_links() -> Result<Self> {
        Self::start_with(true).await
    }

    async fn start_with(with_links: bool) -> Result<Self> {
        let mut failure = anyhow::anyhow!("no ports were tried");
        for _ in 0..5 {
            match Self::launch(with_links).await {
                Ok(cluster) => {
                    cluster.wait_until_healthy().await?;
                    return Ok(cluster);
                }
                // Another process took a port after this one had found it free.
                Err(error) if format!("{error:#}").contains("address already in use") => {
                    failure = error;
                }
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    async fn launch(with_links: bool) -> Result<Self> {
        let mut ports = Vec::new();
        while ports.len() < 2 * CLUSTER_SIZE {
            let port = free_port()?;
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
        let monitor_ports = ports.split_off(CLUSTER_SIZE);
        let links = match with_links {
            true => Some(RouteLinks::start(&ports).await?),
            false => None,
        };
        let mut servers = Vec::new();
        for (place, (port, monitor)) in ports.iter().zip(&monitor_ports).enumerate() {
            let others = (0..CLUSTER_SIZE).filter(|other| *other != place);
            let routes = others.map(|other| match &links {
                Some(links) => format!("nats-route://{}", links.address(place, other)),
                None => format!("nats-route://127.0.0.1:{}", ports[other]),
            });
            // With links, the servers tell each other an address at which none of them listens, so
            // that no route bypasses its proxy.
            let advertise = if with_links { "advertise: '127.0.0.1:1'" } else { "" };
            let config = format!(
                "http: '127.0.0.1:{monitor}'\ncluster {{\n  name: naq-testing\n  listen: \
                 '127.0.0.1:{port}'\n  no_advertise: true\n  {advertise}\n  routes: [{}]\n}}",
                routes.map(|route| format!("'{route}'")).collect::<Vec<_>>().join(", ")
            );
            let server = NatsServer::builder().name(&name_of(place)).config(&config);
            servers.push(server.start()?);
        }
        Ok(Self { servers, monitor_ports, links })
    }

    /// The URLs of all servers, with commas between them.
    #[must_use]
    pub fn url(&self) -> String {
        self.servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",")
    }

    /// The server at this place.
    #[must_use]
    pub fn server(&self, place: usize) -> &NatsServer {
        &self.servers[place]
    }

    /// The server at this place, to kill, pause or restart it.
    pub fn server_mut(&mut self, place: usize) -> &mut NatsServer {
        &mut self.servers[place]
    }

    /// The places of the servers.
    #[must_use]
    pub fn places(&self) -> std::ops::Range<usize> {
        0..self.servers.len()
    }

    /// Waits until every server knows the leader of JetStream, and has all messages of its streams
    /// and consumers.
    ///
    /// # Errors
    ///
    /// 90 seconds have passed. The error says what is missing.
    pub async fn wait_until_healthy(&self) -> Result<()> {
        let mut missing = String::new();
        let polling = async {
            let mut ticks = ticks();
            loop {
                ticks.tick().await;
                let found = self.unhealthy().await;
                if found.is_empty() {
                    return;
                }
                let found =
                    found.iter().map(|(place, what)| format!("{}: {what}", name_of(*place)));
                missing = found.collect::<Vec<_>>().join("; ");
            }
        };
        if timeout(TIME_LIMIT, polling).await.is_err() {
            bail!("the cluster is not healthy after {TIME_LIMIT:?}: {missing}");
        }
        Ok(())
    }

    /// The servers that are not healthy, by place, and what is missing.
    pub async fn unhealthy(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (place, port) in self.monitor_ports.iter().enumerate() {
            if let Err(what) = monitor::health(*port).await {
                found.push((place, what));
            }
        }
        found
    }

    /// Restarts each server that is still not healthy, as an operator or a liveness probe does after a while:
    /// a replica of nats-server 2.15.1 that was stopped and cut off sometimes stays behind until then. Waits
    /// until all are healthy, and returns what the restarted servers lacked.
    ///
    /// # Errors
    ///
    /// A server does not stop or start, or the cluster does not become healthy.
    pub async fn restart_unhealthy(&mut self) -> Result<Vec<String>> {
        let mut restarted = Vec::new();
        for (place, what) in self.unhealthy().await {
            self.servers[place].stop()?;
            self.servers[place].restart()?;
            restarted.push(format!("{}: {what}", name_of(place)));
        }
        self.wait_until_healthy().await?;
        Ok(restarted)
    }

    /// The place of the server that leads this stream, or its consumer. Waits while there is none.
    ///
    /// # Errors
    ///
    /// No server has led it for 90 seconds.
    pub async fn leader(&self, stream: &str, consumer: Option<&str>) -> Result<usize> {
        let polling = async {
            let mut ticks = ticks();
            loop {
                ticks.tick().await;
                for (place, port) in self.monitor_ports.iter().enumerate() {
                    let streams = monitor::streams(*port).await.unwrap_or_default();
                    if leader_in(&streams, stream, consumer) == Some(&*name_of(place)) {
                        return place;
                    }
                }
            }
        };
        let what = consumer.map_or(stream.to_owned(), |consumer| format!("{stream} {consumer}"));
        timeout(TIME_LIMIT, polling).await.with_context(|| format!("no server leads {what}"))
    }

    /// Makes the leader of this stream, or of its consumer, step down. Another server becomes the
    /// leader, or the same one again.
    ///
    /// # Errors
    ///
    /// No server led it for 90 seconds, or no leader agreed.
    pub async fn step_down(&self, stream: &str, consumer: Option<&str>) -> Result<()> {
        let stepping = async {
            let mut ticks = ticks();
            loop {
                ticks.tick().await;
                let place = self.leader(stream, consumer).await?;
                // A server that has just lost the lead does not reply.
                if self.send_step_down(place, stream, consumer, String::new()).await.is_ok() {
                    return anyhow::Ok(());
                }
            }
        };
        let what = || format!("the leader of {stream} does not step down");
        timeout(TIME_LIMIT, stepping).await.with_context(what)?
    }

    /// Makes the server at this place the leader of this stream.
    ///
    /// # Errors
    ///
    /// It is not the leader after 90 seconds.
    pub async fn move_leader(&self, stream: &str, to: usize) -> Result<()> {
        let body = format!(r#"{{"placement":{{"preferred":"{}"}}}}"#, name_of(to));
        let moving = async {
            let mut ticks = ticks();
            let mut polls = 0u32;
            loop {
                ticks.tick().await;
                let place = self.leader(stream, None).await?;
                if place == to {
                    return anyhow::Ok(());
                }
                // The leader refuses while the other one lacks a message, and an election may end with
                // the third server.
                if polls.is_multiple_of(40) {
                    let _ = self.send_step_down(place, stream, None, body.clone()).await;
                }
                polls += 1;
            }
        };
        let what = || format!("{} does not become the leader of {stream}", name_of(to));
        timeout(TIME_LIMIT, moving).await.with_context(what)?
    }

    async fn send_step_down(
        &self,
        place: usize,
        stream: &str,
        consumer: Option<&str>,
        body: String,
    ) -> Result<()> {
        let subject = match consumer {
            Some(consumer) => format!("$JS.API.CONSUMER.LEADER.STEPDOWN.{stream}.{consumer}"),
            None => format!("$JS.API.STREAM.LEADER.STEPDOWN.{stream}"),
        };
        let reply = self.request(place, subject, body).await?;
        if reply.contains(r#""error""#) {
            bail!("{} does not step down: {reply}", name_of(place));
        }
        Ok(())
    }

    /// Sends a request through the server at this place, and returns the body of its reply.
    ///
    /// # Errors
    ///
    /// The server does not reply within two seconds.
    pub async fn request(&self, place: usize, subject: String, body: String) -> Result<String> {
        let address = self.servers[place].address();
        let exchange = move || NatsConnection::connect(&address, "")?.request(&subject, &body);
        spawn_blocking(exchange).await?.context("no reply of the cluster")
    }

    /// Stops each server in turn with SIGTERM, starts it again, and waits until the cluster is healthy
    /// before the next one, as an upgrade does.
    ///
    /// # Errors
    ///
    /// A server does not stop or start, or the cluster does not become healthy.
    pub async fn roll(&mut self) -> Result<()> {
        for place in self.places() {
            self.servers[place].stop()?;
            self.servers[place].restart()?;
            self.wait_until_healthy().await?;
        }
        Ok(())
    }

    /// Cuts the routes between the server at this place and the others, until [`heal`](Self::heal).
    /// Clients of the server stay connected.
    ///
    /// # Panics
    ///
    /// The cluster was not started with [`start_with_links`](Self::start_with_links).
    pub fn isolate(&self, place: usize) {
        self.links().isolate(place);
    }

    /// Delays what the servers say to the one at this place, and what it says, by this time, until
    /// [`heal`](Self::heal). Its replicas are behind by as much, and take themselves for current.
    ///
    /// # Panics
    ///
    /// The cluster was not started with [`start_with_links`](Self::start_with_links).
    pub fn delay(&self, place: usize, delay: Duration) {
        self.links().delay(place, delay);
    }

    /// Ends each [`isolate`](Self::isolate) and [`delay`](Self::delay).
    ///
    /// # Panics
    ///
    /// The cluster was not started with [`start_with_links`](Self::start_with_links).
    pub fn heal(&self) {
        self.links().heal();
    }

    fn links(&self) -> &RouteLinks {
        match &self.links {
            Some(links) => links,
            None => panic!("the cluster was not started with links"),
        }
    }
}

fn name_of(place: usize) -> String {
    format!("n{place}")
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The leader of a stream or its consumer, as one server reports it.
fn leader_in<'a>(streams: &'a [Value], stream: &str, consumer: Option<&str>) -> Option<&'a str> {
    let named = |of: &&Value, name: &str| of["name"] == name;
    let stream = streams.iter().find(|found| named(found, stream))?;
    let of = match consumer {
        Some(name) => stream["consumer_detail"].as_array()?.iter().find(|c| named(c, name))?,
        None => stream,
    };
    of["cluster"]["leader"].as_str()
}
