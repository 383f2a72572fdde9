//! A TCP proxy that simulates network faults.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A direction of data through a [`ChaosProxy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the clients to the server. If it is stalled, publishes and acks do not arrive.
    ToServer,
    /// From the server to the clients. If it is stalled, the server acts, but its replies do not
    /// arrive.
    ToClient,
}

/// A TCP proxy in front of a server, on its own loopback port. It needs a tokio runtime.
///
/// It starts without faults. Each call adds a fault, and [`heal`](Self::heal) ends all of them. Faults
/// also apply to open connections.
#[derive(Debug)]
pub struct ChaosProxy {
    address: String,
    rules: watch::Sender<ProxyRules>,
    accept_loop: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct ProxyRules {
    refuse: bool,
    stall_to_server: bool,
    stall_to_client: bool,
    delay: Duration,
    /// Connections of an earlier generation are cut.
    generation: u64,
}

impl ChaosProxy {
    /// Starts a proxy in front of `target` (`host:port`). The target need not run yet.
    ///
    /// # Errors
    ///
    /// There is no free loopback port.
    pub async fn start(target: impl Into<String>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot bind a proxy")?;
        let address =
            listener.local_addr().context("cannot read the address of the proxy")?.to_string();
        let (rules, receiver) = watch::channel(ProxyRules::default());
        let accept_loop = tokio::spawn(accept_connections(listener, target.into(), receiver));
        Ok(Self { address, rules, accept_loop })
    }

    /// The URL for clients: `nats://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// The same as `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Resets all open connections. Data that was stalled or in transit is lost. New connections
    /// are accepted.
    pub fn cut(&self) {
        self.rules.send_modify(|rules| rules.generation += 1);
    }

    /// Closes each new connection at once. Open connections are not affected; [`cut`](Self::cut)
    /// closes them.
    pub fn refuse(&self) {
        self.rules.send_modify(|rules| rules.refuse = true);
    }

    /// Stalls all data in this direction and leaves the connections open. `heal` delivers the data,
    /// `cut` drops it. To lose acks, call `stall(ToServer)`, then `cut`.
    pub fn stall(&self, direction: Direction) {
        self.rules.send_modify(|rules| match direction {
            Direction::ToServer => rules.stall_to_server = true,
            Direction::ToClient => rules.stall_to_client = true,
        });
    }

    /// Delays each chunk of up to 16 KiB by this time, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.rules.send_modify(|rules| rules.delay = delay);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.rules.send_modify(|rules| {
            *rules = ProxyRules { generation: rules.generation, ..ProxyRules::default() }
        });
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.accept_loop.abort();
    }
}

async fn accept_connections(
    listener: TcpListener,
    target: String,
    mut rules: watch::Receiver<ProxyRules>,
) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let now = *rules.borrow_and_update();
        if !now.refuse {
            tokio::spawn(run_connection(client, target.clone(), now.generation, rules.clone()));
        }
    }
}

/// One connection, until one side or the proxy closes it.
async fn run_connection(
    mut client: TcpStream,
    target: String,
    generation: u64,
    rules: watch::Receiver<ProxyRules>,
) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let mut cut = rules.clone();
    tokio::select! {
        _ = cut.wait_for(|now| now.generation > generation) => {}
        _ = copy(from_client, to_server, rules.clone(), generation, |now| now.stall_to_server) => {}
        _ = copy(from_server, to_client, rules.clone(), generation, |now| now.stall_to_client) => {}
    }
    if rules.borrow().generation > generation {
        // Reset on close, so that the data in transit is lost, as in a broken network.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// Copies bytes in one direction and applies the faults. Returns an error when one side or the
/// proxy closes the connection.
async fn copy(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut rules: watch::Receiver<ProxyRules>,
    generation: u64,
    is_stalled: fn(&ProxyRules) -> bool,
) -> Result<Infallible> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        ensure!(read > 0, "the connection was closed");
        let delay = rules.borrow().delay;
        wait(delay).await;
        let cut =
            rules.wait_for(|now| now.generation > generation || !is_stalled(now)).await?.generation
                > generation;
        ensure!(!cut, "the connection was cut");
        to.write_all(&buffer[..read]).await?;
    }
}

#[expect(clippy::disallowed_methods, reason = "the delay simulates a slow network")]
async fn wait(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}
