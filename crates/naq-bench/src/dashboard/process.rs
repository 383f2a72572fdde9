//! [`DashboardProcess`]: the dashboard in a child process, and the measurements of this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use naq_dashboard::{Dashboard, Options};
use naq_nats::{NatsConfig, NatsTransport};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Child;

use crate::args::ChildRole;
use crate::console::Console;
use crate::contestant::pause;
use crate::memory::{peak_megabytes, spawn, stop, wait_for_parent_end};
use crate::naq::connect;
use crate::stats::now;

/// The name of the dashboard's connection to the broker.
const NAME: &str = "naq-bench-dashboard";
/// The broker's list of the connections in the caller's account. It needs no monitoring port.
const CONNECTIONS: &str = "$SYS.REQ.ACCOUNT.PING.CONNZ";

pub(crate) struct DashboardProcess {
    process: Child,
    pub(crate) address: SocketAddr,
    broker: async_nats::Client,
}

impl DashboardProcess {
    /// Starts the dashboard and waits until it listens.
    pub(crate) async fn start(config: &NatsConfig) -> Result<Self> {
        let mut process = spawn(config, ChildRole::Dashboard)?;
        let output = process.stdout.take().context("a process without output")?;
        let address = BufReader::new(output).lines().next_line().await?;
        let address = address.context("the dashboard did not start")?.parse()?;
        let broker = NatsTransport::connect(config.clone()).await?.client().clone();
        Ok(Self { process, address, broker })
    }

    /// Messages a second that the dashboard sends to the broker, as the broker counts them over `span`.
    pub(crate) async fn messages_a_second(&self, span: Duration) -> Result<f64> {
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

    /// The dashboard's peak memory, if the system reports it.
    pub(crate) fn peak_megabytes(&self) -> Option<f64> {
        peak_megabytes(self.process.id()?)
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        stop(&mut self.process).await
    }
}

/// The child process with the dashboard: prints its address and serves until standard input ends.
pub(crate) async fn serve(config: NatsConfig, tabs: usize, console: Console) -> Result<()> {
    let client = connect(config.name(NAME)).await?;
    let mut options = Options::default();
    // A page request may need a place beside the tabs.
    options.max_tabs = tabs + 8;
    let router = Dashboard::new(client, options)?.router();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    (console.line)(&listener.local_addr()?.to_string())?;
    // No graceful shutdown: it would wait forever for the live streams to end.
    tokio::select! {
        served = axum::serve(listener, router) => Ok(served?),
        () = wait_for_parent_end() => Ok(()),
    }
}
