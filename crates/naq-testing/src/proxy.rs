//! A network that fails on command.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Which way data flows through a [`ChaosProxy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the clients to the server: stalled, publishes and acks do not arrive.
    ToServer,
    /// From the server to the clients: stalled, the server acts, but its answers do not arrive.
    ToClient,
}

/// A TCP proxy in front of a server, on a loopback port of its own. Needs a tokio runtime.
///
/// Starts out healthy. Faults add up until [`heal`](Self::heal); all apply to open connections too.
#[derive(Debug)]
pub struct ChaosProxy {
    address: String,
    rules: watch::Sender<Rules>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rules {
    refuse: bool,
    hold_to_server: bool,
    hold_to_client: bool,
    delay: Duration,
    /// Connections accepted under a lower number are cut.
    era: u64,
}

impl ChaosProxy {
    /// A proxy in front of `target` (`host:port`), which may be down for now.
    ///
    /// # Errors
    ///
    /// No loopback port could be bound.
    pub async fn start(target: impl Into<String>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot bind a proxy")?;
        let address = listener.local_addr().context("a proxy without address")?.to_string();
        let (rules, watching) = watch::channel(Rules::default());
        let accepting = tokio::spawn(accept(listener, target.into(), watching));
        Ok(Self { address, rules, accepting })
    }

    /// Where to connect instead: `nats://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// The same as `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Resets all open connections; what was held back or on its way is lost. New ones are welcome.
    pub fn cut(&self) {
        self.rules.send_modify(|rules| rules.era += 1);
    }

    /// Closes every new connection at once. Open ones go on: [`cut`](Self::cut) them too.
    pub fn refuse(&self) {
        self.rules.send_modify(|rules| rules.refuse = true);
    }

    /// Half-open: holds back what flows that way, and keeps the connections. `heal` delivers what was
    /// held back, `cut` loses it: lost acks are `stall(ToClient)`, then `cut`.
    pub fn stall(&self, direction: Direction) {
        self.rules.send_modify(|rules| match direction {
            Direction::ToServer => rules.hold_to_server = true,
            Direction::ToClient => rules.hold_to_client = true,
        });
    }

    /// Each chunk of up to 16 KiB waits that long, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.rules.send_modify(|rules| rules.delay = delay);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.rules.send_modify(|rules| *rules = Rules { era: rules.era, ..Rules::default() });
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: String, mut rules: watch::Receiver<Rules>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let now = *rules.borrow_and_update();
        if !now.refuse {
            tokio::spawn(connection(client, target.clone(), now.era, rules.clone()));
        }
    }
}

/// One connection, until either side ends it, it is cut, or the proxy is gone.
async fn connection(
    mut client: TcpStream,
    target: String,
    era: u64,
    rules: watch::Receiver<Rules>,
) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let mut cut = rules.clone();
    tokio::select! {
        _ = cut.wait_for(|now| now.era > era) => {}
        _ = pump(from_client, to_server, rules.clone(), era, |now| now.hold_to_server) => {}
        _ = pump(from_server, to_client, rules.clone(), era, |now| now.hold_to_client) => {}
    }
    if rules.borrow().era > era {
        // Reset on close: a cut loses what is on its way, as a broken network does.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// Moves bytes one way, under the rules; ends with an error when either end or the proxy does.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut rules: watch::Receiver<Rules>,
    era: u64,
    held: fn(&Rules) -> bool,
) -> Result<Infallible> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        ensure!(read > 0, "closed");
        let delay = rules.borrow().delay;
        wait(delay).await;
        let cut = rules.wait_for(|now| now.era > era || !held(now)).await?.era > era;
        ensure!(!cut, "cut");
        to.write_all(&buffer[..read]).await?;
    }
}

#[expect(clippy::disallowed_methods, reason = "a delay is what a slow network is")]
async fn wait(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}
