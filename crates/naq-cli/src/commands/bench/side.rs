//! The verbs that both sides have: NAQ, and raw async-nats doing the same broker work by hand.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use naq_core::{Clock, SystemClock, Timer};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::stats::now;
use super::topology::Streams;

/// The longest that anything here may take before the benchmark gives up on it.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the jobs of one measure are like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Whether a record is kept of each.
    pub(super) records: bool,
    /// When each is to be handed out, if not at once.
    pub(super) delay: Option<Duration>,
}

impl Kind {
    /// Due at once, with a record.
    pub(super) const USUAL: Self = Self { records: true, delay: None };
}

/// One of the two that are compared.
pub(super) trait Side {
    /// Enqueues job number `n`; returns once the broker has it.
    fn enqueue(&self, n: usize, kind: Kind) -> impl Future<Output = Result<()>>;
    /// Enqueues as many, numbered from 0, with many under way at once.
    fn enqueue_many(&self, count: usize, kind: Kind) -> impl Future<Output = Result<()>>;
    /// Connects anew and starts taking jobs, that many at once, marking each in `seen`.
    fn work(&self, slots: usize, kind: Kind, seen: Seen) -> impl Future<Output = Result<Running>>;
    /// Its streams.
    fn streams(&self) -> &Streams;
}

/// Which jobs have started, and when.
#[derive(Debug, Clone)]
pub(super) struct Seen(Arc<Marks>);

#[derive(Debug)]
struct Marks {
    base: Instant,
    count: AtomicUsize,
    /// Nanoseconds since `base`, and milliseconds since the epoch; zero for not yet.
    at: Vec<(AtomicU64, AtomicU64)>,
}

impl Seen {
    /// For jobs numbered from 0 to below `jobs`.
    pub(super) fn new(jobs: usize) -> Self {
        let at = (0..jobs).map(|_| (AtomicU64::new(0), AtomicU64::new(0))).collect();
        Self(Arc::new(Marks { base: now(), count: AtomicUsize::new(0), at }))
    }

    /// Job number `n` has started just now.
    pub(super) fn mark(&self, n: usize) {
        if let Some((steady, wall)) = self.0.at.get(n) {
            let nanos = u64::try_from(self.0.base.elapsed().as_nanos()).unwrap_or(u64::MAX);
            steady.store(nanos, Ordering::Relaxed);
            wall.store(SystemClock.now().as_millis(), Ordering::Relaxed);
        }
        self.0.count.fetch_add(1, Ordering::Release);
    }

    /// Waits until that many have started.
    pub(super) async fn reaches(&self, count: usize) -> Result<()> {
        let what =
            || format!("{count} jobs started (so far {})", self.0.count.load(Ordering::Acquire));
        eventually(what, async || Ok(self.0.count.load(Ordering::Acquire) >= count)).await
    }

    /// Microseconds from `start` until job number `n` started.
    pub(super) fn micros_since(&self, n: usize, start: Instant) -> Option<f64> {
        let nanos = self.0.at.get(n)?.0.load(Ordering::Relaxed);
        let start = start.saturating_duration_since(self.0.base).as_nanos() as f64;
        (nanos > 0).then_some((nanos as f64 - start) / 1e3)
    }

    /// When job number `n` started, in milliseconds since the epoch.
    pub(super) fn wall_millis(&self, n: usize) -> Option<u64> {
        Some(self.0.at.get(n)?.1.load(Ordering::Relaxed)).filter(|millis| *millis > 0)
    }
}

/// Somebody at work. Dropped without [`stop`](Self::stop), it ends at once.
#[derive(Debug)]
pub(super) struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<()>>,
}

impl Running {
    /// Runs `work`, which ends in good order once it hears on the channel.
    pub(super) fn start<F>(work: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(work(stopped)) }
    }

    /// Ends it in good order.
    pub(super) async fn stop(self) -> Result<()> {
        // It may have ended already, and then says why.
        let _ = self.stop.send(());
        self.task.await.context("the worker of the benchmark panicked")?
    }
}

/// Waits until `holds`, which is asked every millisecond.
pub(super) async fn eventually(
    what: impl Fn() -> String,
    mut holds: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let start = now();
    while !holds().await? {
        if start.elapsed() > PATIENCE {
            bail!("waited {} for: {}", humantime::format_duration(PATIENCE), what());
        }
        pause(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Waits until somebody listens at `nats://HOST:PORT`.
pub(super) async fn listening(url: String) -> Result<()> {
    let address = url.trim_start_matches("nats://");
    eventually(
        || format!("a broker at {url}"),
        async || {
            // On loopback, where this does not block.
            Ok(std::net::TcpStream::connect(address).is_ok())
        },
    )
    .await
}

/// Waits.
pub(super) async fn pause(span: Duration) {
    SystemClock.sleep_until(SystemClock.now() + span).await;
}

/// Waits until the queue is empty.
pub(super) async fn empty(streams: &Streams) -> Result<()> {
    eventually(|| "an empty queue".to_owned(), async || Ok(streams.left().await? == 0)).await
}
