//! [`Contestant`]: what both sides can do, NAQ and raw async-nats alike.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use naq_core::{Clock, SystemClock, Timer};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::stats::now;
use crate::topology::BenchStreams;

/// The longest wait for one event before the benchmark fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// The kind of jobs in one measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JobShape {
    /// Whether a record of each job is stored.
    pub(crate) records: bool,
    /// The delay after which each job is due, if it is not due at once.
    pub(crate) delay: Option<Duration>,
}

impl JobShape {
    /// Jobs that are due at once and leave a record.
    pub(crate) const DEFAULT: Self = Self { records: true, delay: None };
}

/// One of the two sides that are compared.
pub(crate) trait Contestant {
    /// Enqueues job number `n`. Returns when the broker has stored it.
    fn enqueue(&self, n: usize, shape: JobShape) -> impl Future<Output = Result<()>>;
    /// Enqueues `count` jobs, numbered from 0, with many requests in flight.
    fn enqueue_many(&self, count: usize, shape: JobShape) -> impl Future<Output = Result<()>>;
    /// Opens a connection and starts a worker with `slots` slots. The worker notes the start of each
    /// job in `starts`.
    fn work(
        &self,
        slots: usize,
        shape: JobShape,
        starts: StartTimes,
    ) -> impl Future<Output = Result<RunningWorker>>;
    /// The streams of this side.
    fn streams(&self) -> &BenchStreams;
}

/// Notes which jobs have started, and when.
#[derive(Debug, Clone)]
pub(crate) struct StartTimes(Arc<StartTimesData>);

#[derive(Debug)]
struct StartTimesData {
    base: Instant,
    count: AtomicUsize,
    /// For each job: nanoseconds since `base`, and milliseconds since the epoch. Zero if the job has
    /// not started.
    at: Vec<(AtomicU64, AtomicU64)>,
}

impl StartTimes {
    /// Notes times for the jobs numbered 0 to `jobs - 1`, and counts all others.
    pub(crate) fn new(jobs: usize) -> Self {
        let at = (0..jobs).map(|_| (AtomicU64::new(0), AtomicU64::new(0))).collect();
        Self(Arc::new(StartTimesData { base: now(), count: AtomicUsize::new(0), at }))
    }

    /// Job number `n` starts now.
    pub(crate) fn mark(&self, n: usize) {
        if let Some((steady, wall)) = self.0.at.get(n) {
            let nanos = u64::try_from(self.0.base.elapsed().as_nanos()).unwrap_or(u64::MAX);
            steady.store(nanos, Ordering::Relaxed);
            wall.store(SystemClock.now().as_millis(), Ordering::Relaxed);
        }
        self.0.count.fetch_add(1, Ordering::Release);
    }

    /// Waits until `count` jobs have started.
    pub(crate) async fn reaches(&self, count: usize) -> Result<()> {
        let what =
            || format!("{count} jobs started (so far {})", self.0.count.load(Ordering::Acquire));
        eventually(what, async || Ok(self.0.count.load(Ordering::Acquire) >= count)).await
    }

    /// Microseconds from `start` until job number `n` started.
    pub(crate) fn micros_since(&self, n: usize, start: Instant) -> Option<f64> {
        let nanos = self.0.at.get(n)?.0.load(Ordering::Relaxed);
        let start = start.saturating_duration_since(self.0.base).as_nanos() as f64;
        (nanos > 0).then_some((nanos as f64 - start) / 1e3)
    }

    /// When job number `n` started, in milliseconds since the epoch.
    pub(crate) fn wall_millis(&self, n: usize) -> Option<u64> {
        Some(self.0.at.get(n)?.1.load(Ordering::Relaxed)).filter(|millis| *millis > 0)
    }
}

/// A running worker. A drop without [`stop`](Self::stop) ends it at once.
#[derive(Debug)]
pub(crate) struct RunningWorker {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<()>>,
}

impl RunningWorker {
    /// Runs `work`, which must shut down when the channel reports.
    pub(crate) fn start<F>(work: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(work(stopped)) }
    }

    /// Shuts it down and waits for its end.
    pub(crate) async fn stop(self) -> Result<()> {
        // It may have ended already. Then the task returns its error.
        let _ = self.stop.send(());
        self.task.await.context("the worker of the benchmark panicked")?
    }
}

/// Waits until `condition` is true. Checks every millisecond.
pub(crate) async fn eventually(
    what: impl Fn() -> String,
    mut condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let start = now();
    while !condition().await? {
        if start.elapsed() > PATIENCE {
            bail!(
                "timed out after {} waiting for: {}",
                humantime::format_duration(PATIENCE),
                what()
            );
        }
        pause(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Waits for `span`.
pub(crate) async fn pause(span: Duration) {
    SystemClock.sleep_until(SystemClock.now() + span).await;
}

/// Waits until the queue is empty.
pub(crate) async fn wait_until_empty(streams: &BenchStreams) -> Result<()> {
    eventually(|| "an empty queue".to_owned(), async || Ok(streams.queued().await? == 0)).await
}
