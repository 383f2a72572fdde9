//! The dashboard in a process of its own, and what is seen of it from outside.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use naq_dashboard::{Dashboard, Options};
use naq_nats::{NatsConfig, NatsTransport};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Child;

use super::super::Part;
use super::super::memory::{parent_ends, peak_megabytes, spawn, stop};
use super::super::side::pause;
use super::super::stats::now;
use crate::connection::connect;
use crate::output::Output;

/// What its connection to the broker is called.
const NAME: &str = "naq-bench-dashboard";
/// The broker's list of the connections of one's own account: for everybody, without monitoring.
const CONNECTIONS: &str = "$SYS.REQ.ACCOUNT.PING.CONNZ";

pub(super) struct House {
    process: Child,
    pub(super) address: SocketAddr,
    broker: async_nats::Client,
}

impl House {
    /// Started, and listening.
    pub(super) async fn start(config: &NatsConfig) -> Result<Self> {
        let mut process = spawn(config, Part::Dashboard)?;
        let output = process.stdout.take().context("a process without output")?;
        let address = BufReader::new(output).lines().next_line().await?;
        let address = address.context("the dashboard did not start")?.parse()?;
        let broker = NatsTransport::connect(config.clone()).await?.client().clone();
        Ok(Self { process, address, broker })
    }

    /// Messages that it sends to the broker, counted by the broker over `span`.
    pub(super) async fn messages_a_second(&self, span: Duration) -> Result<f64> {
        let (start, before) = (now(), self.messages().await?);
        pause(span).await;
        let after = self.messages().await?;
        Ok((after - before) / start.elapsed().as_secs_f64())
    }

    async fn messages(&self) -> Result<f64> {
        let answer = self.broker.request(CONNECTIONS, bytes::Bytes::new()).await?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        let connections = answer["data"]["connections"].as_array();
        let connections = connections.context("a broker that does not list its connections")?;
        let ours = connections.iter().find(|connection| connection["name"] == NAME);
        ours.and_then(|ours| ours["in_msgs"].as_f64()).context("the dashboard has no connection")
    }

    /// The most that it ever took of memory, where the system says it.
    pub(super) fn peak_megabytes(&self) -> Option<f64> {
        peak_megabytes(self.process.id()?)
    }

    pub(super) async fn stop(mut self) -> Result<()> {
        stop(&mut self.process).await
    }
}

/// The other end: serves until standard input ends; where, it says on standard output.
pub(crate) async fn serve(config: NatsConfig, tabs: usize, out: Output) -> Result<()> {
    let client = connect(config.name(NAME)).await?;
    let mut options = Options::default();
    // A visit may come between two tabs.
    options.max_tabs = tabs + 8;
    let router = Dashboard::new(client, options)?.router();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    out.raw(&listener.local_addr()?.to_string())?;
    // Open streams would keep an orderly end waiting for ever.
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        () = parent_ends() => Ok(()),
    }
}
