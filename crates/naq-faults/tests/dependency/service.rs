//! The service: it answers, says that it is down, or says nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use naq_core::{Clock, SystemClock, Timer};
use naq_faults::ledger::now;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What it does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Succeeds after a moment.
    Up,
    /// Fails after a moment.
    Down,
    /// Says nothing until its mood is another.
    Silent,
}

/// A call, as the service saw it. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) job: String,
    pub(crate) attempt: u32,
    pub(crate) worker: String,
    pub(crate) from: u64,
    /// When it was answered, or its caller was gone.
    pub(crate) to: Option<u64>,
    /// Whether the caller was told that it failed.
    pub(crate) failed: bool,
}

/// A service on a port of its own.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    mood: watch::Sender<Mood>,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// How long it thinks.
const MOMENT: Duration = Duration::from_millis(30);

impl Service {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, calls) = (listener.local_addr().unwrap(), Arc::default());
        let (mood, moods) = watch::channel(Mood::Up);
        let seen: Arc<Mutex<Vec<Call>>> = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, moods.clone(), seen.clone()));
            }
        });
        Self { address, mood, calls }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// Those that run.
    pub(crate) fn running(&self) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.to.is_none());
        calls
    }
}

fn lock(calls: &Mutex<Vec<Call>>) -> MutexGuard<'_, Vec<Call>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(stream: TcpStream, moods: watch::Receiver<Mood>, calls: Arc<Mutex<Vec<Call>>>) {
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
    let place = {
        let mut calls = lock(&calls);
        calls.push(call);
        calls.len() - 1
    };
    // A caller that is killed hangs up.
    let answer = tokio::select! {
        answer = answer(moods) => Some(answer),
        _ = stream.read_u8() => None,
    };
    {
        let mut calls = lock(&calls);
        calls[place].to = Some(now());
        calls[place].failed = answer == Some(b'-');
    }
    if let Some(answer) = answer {
        let _ = stream.write_all(&[answer]).await;
    }
}

async fn answer(mut moods: watch::Receiver<Mood>) -> u8 {
    let mood = *moods.wait_for(|mood| *mood != Mood::Silent).await.unwrap();
    SystemClock.sleep_until(SystemClock.now() + MOMENT).await;
    if mood == Mood::Up { b'+' } else { b'-' }
}

/// The most that ran at one time, of calls that began from then on.
pub(crate) fn most_at_once(calls: &[Call], from: u64) -> usize {
    let ran = |call: &Call, at: u64| call.from <= at && call.to.is_none_or(|to| at < to);
    let late: Vec<_> = calls.iter().filter(|call| call.from >= from).collect();
    late.iter().map(|c| late.iter().filter(|call| ran(call, c.from)).count()).max().unwrap_or(0)
}
