//! The service that the jobs call. It succeeds, fails, or does not reply.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_core::sync::lock;
use naq_core::{Clock, SystemClock, Timer};
use naq_faults::ledger::now;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the service does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceState {
    /// Succeeds after a short time.
    Up,
    /// Fails after a short time.
    Down,
    /// Does not reply until its state changes.
    Silent,
}

/// A call, as the service saw it. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) job: String,
    pub(crate) attempt: u32,
    pub(crate) worker: String,
    pub(crate) from: u64,
    /// When the service replied, or its caller closed the connection.
    pub(crate) to: Option<u64>,
    /// Whether the service replied that the call failed.
    pub(crate) failed: bool,
}

/// A service on its own port.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    state: watch::Sender<ServiceState>,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// How long the service takes for a reply.
const REPLY_TIME: Duration = Duration::from_millis(30);

impl Service {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::default();
        let (state, states) = watch::channel(ServiceState::Up);
        let seen: Arc<Mutex<Vec<Call>>> = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, states.clone(), seen.clone()));
            }
        });
        Self { address, state, calls }
    }

    pub(crate) fn set(&self, state: ServiceState) {
        self.state.send_replace(state);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// The calls without a reply so far.
    pub(crate) fn running(&self) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.to.is_none());
        calls
    }
}

async fn serve(
    stream: TcpStream,
    states: watch::Receiver<ServiceState>,
    calls: Arc<Mutex<Vec<Call>>>,
) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if stream.read_line(&mut line).await.is_err() {
        return;
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(job), Some(attempt), Some(worker)) = (words.next(), words.next(), words.next())
    else {
        return;
    };
    let attempt = attempt.parse().unwrap();
    let call = Call { job, attempt, worker, from: now(), to: None, failed: false };
    let index = {
        let mut calls = lock(&calls);
        calls.push(call);
        calls.len() - 1
    };
    // If a caller is killed, its connection closes.
    let reply = tokio::select! {
        reply = reply(states) => Some(reply),
        _ = stream.read_u8() => None,
    };
    {
        let mut calls = lock(&calls);
        calls[index].to = Some(now());
        calls[index].failed = reply == Some(b'-');
    }
    if let Some(reply) = reply {
        let _ = stream.write_all(&[reply]).await;
    }
}

async fn reply(mut states: watch::Receiver<ServiceState>) -> u8 {
    let state = *states.wait_for(|state| *state != ServiceState::Silent).await.unwrap();
    SystemClock.sleep_until(SystemClock.now() + REPLY_TIME).await;
    if state == ServiceState::Up { b'+' } else { b'-' }
}

/// The largest number of calls at the same time, among those that started at `from` or later.
pub(crate) fn most_at_once(calls: &[Call], from: u64) -> usize {
    let ran = |call: &Call, at: u64| call.from <= at && call.to.is_none_or(|to| at < to);
    let late: Vec<_> = calls.iter().filter(|call| call.from >= from).collect();
    late.iter().map(|c| late.iter().filter(|call| ran(call, c.from)).count()).max().unwrap_or(0)
}
