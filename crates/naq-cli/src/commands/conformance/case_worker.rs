//! [`CaseWorker`]: a real worker on the transport in memory, which runs the cases.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use naq_client::{Client, ClientError, Enqueue, JobReport, WaitError};
use naq_core::names::JobKey;
use naq_core::retry::RetryPolicy;
use naq_core::{Clock, JobState, SystemClock, Timer};
use naq_handlers::Handlers;
use naq_memory::MemoryTransport;
use naq_worker::{Registry, Worker};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Adapter;
use super::case::{Fits, JobCase, Meanwhile, Verdict};
use super::job_cases::SLOW;

/// Slots of the worker, unless the handler lists fewer.
const SLOTS: usize = 8;
/// How many attempts run at the same time.
const AT_ONCE: usize = 4;
/// How long each of them takes.
const AT_ONCE_MS: u64 = 1_000;
/// How long the job takes that runs while the worker stops.
const DRAINED_MS: u64 = 2_000;
/// How long after its delivery an attempt has begun. A worker gives back a job that it has not begun.
const BEGUN: Duration = Duration::from_millis(700);

/// A real worker on the transport in memory.
pub(super) struct CaseWorker {
    client: Client,
    slots: usize,
    patience: Duration,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl CaseWorker {
    pub(super) fn start(handlers: Handlers, patience: Duration) -> Result<Self> {
        let slots = handlers.concurrency().unwrap_or(SLOTS).min(SLOTS);
        let registry = handlers.register(Registry::new())?;
        let client = Client::new(Arc::new(MemoryTransport::new()));
        let worker = Worker::builder(client.clone(), registry)
            .queue("default")
            .concurrency(slots)
            .shutdown_timeout(patience)
            .build();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            if let Err(err) = worker.run(stopped).await {
                tracing::error!("the worker of the cases ended: {err}");
            }
        });
        Ok(Self { client, slots, patience, stop, running })
    }

    /// A job with up to three retries, 5 ms after each failure.
    fn job(&self, task: &str, args: &Value) -> Result<Enqueue<'_, Value>> {
        let policy = RetryPolicy::default().to_builder().delay(Duration::from_millis(5));
        let policy = policy.max_retries(3).try_build()?;
        Ok(self.client.enqueue_task(task, args)?.policy(&policy))
    }

    async fn ended(&self, key: &JobKey) -> Result<JobReport, String> {
        match self.client.wait(key, self.patience).await {
            Ok(_) => self.client.report(key).await.map_err(|err| err.to_string()),
            Err(WaitError::TimedOut { state, .. }) => {
                Err(format!("after {:?} the job is still {state}", self.patience))
            }
            Err(err) => Err(err.to_string()),
        }
    }

    /// Waits until the job runs, and cancels it.
    async fn cancel(&self, key: &JobKey) -> Result<(), ClientError> {
        let until = SystemClock.now() + self.patience;
        while self.client.report(key).await?.state != JobState::Running && SystemClock.now() < until
        {
            SystemClock.sleep_until(SystemClock.now() + Duration::from_millis(20)).await;
        }
        // The handler has its request by then.
        SystemClock.sleep_until(SystemClock.now() + BEGUN).await;
        self.client.cancel(key, "cancelled by a case").await.map(drop)
    }

    async fn report(&self, case: &JobCase) -> Result<JobReport> {
        let mut job = self.job(case.task, &case.args)?;
        if let Some(timeout) = case.timeout {
            job = job.timeout(timeout).max_retries(0);
        }
        let handle = job.await?;
        let key = JobKey::new(handle.queue().clone(), handle.id().clone());
        if case.meanwhile == Meanwhile::Cancel {
            self.cancel(&key).await?;
        }
        self.ended(&key).await.map_err(anyhow::Error::msg)
    }

    /// Runs one case.
    pub(super) async fn run(&self, case: &JobCase, adapter: Adapter) -> Verdict {
        if case.fits == Fits::Commands && adapter == Adapter::Http {
            return Verdict::LeftOut("only for commands");
        }
        match self.report(case).await {
            Ok(report) => case.expect.judge(&report),
            Err(err) => Verdict::Failed(format!("{err:#}")),
        }
    }

    /// Runs four attempts at once.
    pub(super) async fn run_at_once(&self) -> Verdict {
        if self.slots < AT_ONCE {
            return Verdict::LeftOut("the handler lists a smaller concurrency");
        }
        // The first time, processes that stay have to start.
        if let Err(why) = self.complete_at_once(10).await {
            return Verdict::Failed(why);
        }
        let began = SystemClock.now();
        if let Err(why) = self.complete_at_once(AT_ONCE_MS).await {
            return Verdict::Failed(why);
        }
        let took = SystemClock.now().since(began);
        // One after another they take four times as long.
        match took < Duration::from_millis(AT_ONCE_MS * 3) {
            true => Verdict::Passed,
            false => {
                Verdict::Failed(format!("four jobs of {AT_ONCE_MS} ms took {took:?} together"))
            }
        }
    }

    /// Completes four jobs that take so many milliseconds each.
    async fn complete_at_once(&self, millis: u64) -> Result<(), String> {
        let mut keys = Vec::new();
        for _ in 0..AT_ONCE {
            let job = self.job(SLOW, &json!(millis)).map_err(|err| format!("{err:#}"))?;
            let job = job.await.map_err(|err| err.to_string())?;
            keys.push(JobKey::new(job.queue().clone(), job.id().clone()));
        }
        for key in &keys {
            let report = self.ended(key).await?;
            if report.state != JobState::Completed {
                return Err(format!("a job is {}", report.state));
            }
        }
        Ok(())
    }

    /// Stops the worker while a job runs. The job must complete.
    pub(super) async fn drain(self) -> Verdict {
        let sent = match self.job(SLOW, &json!(DRAINED_MS)) {
            Ok(job) => job.await.map_err(anyhow::Error::from),
            Err(err) => Err(err),
        };
        let key = match sent {
            Ok(job) => JobKey::new(job.queue().clone(), job.id().clone()),
            Err(err) => return Verdict::Failed(format!("{err:#}")),
        };
        let until = SystemClock.now() + self.patience;
        loop {
            match self.client.report(&key).await {
                Ok(report) if report.state == JobState::Running => break,
                _ if SystemClock.now() > until => {
                    return Verdict::Failed("the job does not start".to_owned());
                }
                _ => SystemClock.sleep_until(SystemClock.now() + Duration::from_millis(20)).await,
            }
        }
        SystemClock.sleep_until(SystemClock.now() + BEGUN).await;
        let Self { client, stop, running, .. } = self;
        // An error means that the worker has ended by itself, which the state of the job shows.
        let _ = stop.send(());
        let _ = running.await;
        match client.report(&key).await {
            Ok(report) if report.state == JobState::Completed => Verdict::Passed,
            Ok(report) => {
                Verdict::Failed(format!("the job is {}, and must be completed", report.state))
            }
            Err(err) => Verdict::Failed(err.to_string()),
        }
    }
}
