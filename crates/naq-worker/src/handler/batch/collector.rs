//! [`Collector`]: the jobs of one task that wait for the next call of their batch handler.
//!
//! Each job is an attempt as any other: in its own slot, under its own lease and timeout. It puts its
//! arguments here and waits for its answer. So nothing but the call of the handler is shared.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use naq_core::sync::lock;
use naq_core::{ErrorKind, Failure, Job, Payload, WorkerId};
use tokio::sync::oneshot;
use tracing::Instrument;

use super::super::Context;
use super::super::handler_fn::{args_failure, decode_args};
use super::answer::{Answer, AnswerSlot, all_gone};
use super::job_batch::{BatchedJob, JobBatch};
use crate::panics;

/// How large a batch is, and how long its first job waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchBounds {
    pub(super) max_jobs: usize,
    pub(super) max_wait: Duration,
}

type BatchFn<J, S> =
    dyn Fn(JobBatch<J, S>) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync;

/// The jobs of one task that wait for the next call of their batch handler.
pub(super) struct Collector<J, S> {
    pub(super) bounds: BatchBounds,
    pub(super) state: S,
    pub(super) handler: Box<BatchFn<J, S>>,
    /// A registry may be shared by workers. Each of them has batches of its own.
    pub(super) waiting: Mutex<BTreeMap<WorkerId, WaitingBatch<J, S>>>,
}

/// A batch that is not full yet, and whose first job has not waited long enough.
pub(super) struct WaitingBatch<J, S> {
    jobs: Vec<BatchedJob<J, S>>,
    /// The timer of the batch ends when this is dropped.
    timer: oneshot::Sender<()>,
}

impl<J: Job, S: Clone + Send + Sync + 'static> Collector<J, S> {
    /// Runs the attempt of one job: waits for the batch and for its answer.
    pub(super) async fn run_job(self: Arc<Self>, cx: Context<()>) -> Result<Payload, Failure> {
        let args = decode_args(cx.args()).map_err(args_failure)?;
        let (slot, answer) = AnswerSlot::new();
        let alone = cx.crashes() > 0;
        let context = cx.with_state(self.state.clone());
        let job = BatchedJob { args, context, answer: Arc::new(slot) };
        // A job that may have killed a worker takes no other job with it.
        if alone {
            self.start(vec![job])
        } else {
            self.add(job)
        }
        match answer.await {
            Ok(Answer::Result(result)) => result,
            // The guard around the handler makes it a failure, as it does for every handler.
            Ok(Answer::Panicked(message)) => std::panic::resume_unwind(Box::new(message)),
            Err(_) => Err(Failure::new(ErrorKind::CANCELLED, "the worker is stopping")),
        }
    }

    /// Adds a job to the batch of its worker. It starts when it is full.
    fn add(self: &Arc<Self>, job: BatchedJob<J, S>) {
        let attempt = job.context.attempt_context();
        let worker = attempt.worker_id.clone();
        // More jobs than slots never wait at the same time.
        let max_jobs = self.bounds.max_jobs.min(attempt.slots);
        let full = {
            let mut waiting = lock(&self.waiting);
            let mut batch = match waiting.remove(&worker) {
                Some(batch) => batch,
                None => WaitingBatch { jobs: Vec::new(), timer: self.start_timer(&job) },
            };
            batch.jobs.retain(|job| !job.is_gone());
            batch.jobs.push(job);
            if batch.jobs.len() >= max_jobs {
                drop(batch.timer);
                Some(batch.jobs)
            } else {
                waiting.insert(worker, batch);
                None
            }
        };
        if let Some(jobs) = full {
            self.start(jobs);
        }
    }

    /// Starts the batch of this job when the job has waited long enough.
    fn start_timer(self: &Arc<Self>, job: &BatchedJob<J, S>) -> oneshot::Sender<()> {
        let (sender, mut started) = oneshot::channel();
        let attempt = job.context.attempt_context();
        let (worker, timer) = (attempt.worker_id.clone(), attempt.timer.clone());
        let until = timer.now() + self.bounds.max_wait;
        let collector = self.clone();
        attempt.runtime.spawn(async move {
            tokio::select! {
                biased;
                _ = &mut started => return,
                () = timer.sleep_until(until) => {}
            }
            let batch = {
                let mut waiting = lock(&collector.waiting);
                // The batch may have started just now, and another one may wait.
                if started.try_recv() != Err(oneshot::error::TryRecvError::Empty) {
                    return;
                }
                waiting.remove(&worker)
            };
            if let Some(batch) = batch {
                collector.start(batch.jobs);
            }
        });
        sender
    }

    /// Calls the handler in a task of its own: the attempt of one job may end before the others.
    fn start(self: &Arc<Self>, mut jobs: Vec<BatchedJob<J, S>>) {
        jobs.retain(|job| !job.is_gone());
        let Some(first) = jobs.first() else { return };
        let span = tracing::info_span!("batch", task = J::NAME, jobs = jobs.len());
        let runtime = first.context.attempt_context().runtime.clone();
        let collector = self.clone();
        runtime.spawn(async move { collector.call_handler(jobs).await }.instrument(span));
    }

    async fn call_handler(&self, jobs: Vec<BatchedJob<J, S>>) {
        let slots: Vec<_> = jobs.iter().map(|job| job.answer.clone()).collect();
        let call = async { (self.handler)(JobBatch { state: self.state.clone(), jobs }).await };
        let ended = tokio::select! {
            biased;
            ended = AssertUnwindSafe(call).catch_unwind() => ended,
            // The handler is dropped, as that of a single job that has to stop.
            () = all_gone(slots.iter().map(|slot| &**slot)) => return,
        };
        let answer: Box<dyn Fn() -> Answer> = match ended {
            Ok(Ok(())) => Box::new(|| {
                let text = "the batch handler returned without an answer for this job";
                Answer::Result(Err(Failure::msg(text)))
            }),
            Ok(Err(failure)) => Box::new(move || Answer::Result(Err(failure.clone()))),
            Err(panic) => {
                let message = panics::panic_message(panic);
                Box::new(move || Answer::Panicked(message.clone()))
            }
        };
        slots.iter().for_each(|slot| slot.send(answer()));
    }
}
