//! NAQ's own jobs: what a cluster has to do without anybody's asking, such as the next tick of a
//! schedule. They are jobs like any other, in a queue of their own, and every worker takes its part
//! in them beside its slots: there is no process to run, elect or lose for it, and a worker whose
//! slots are all in use still does them.
//!
//! Each chore is one file here, with its handler; [`registry`] names them all.

mod release;
mod tick;
mod wake;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use naq_core::QueueName;
use naq_core::names::CHORES;
use tokio_util::sync::CancellationToken;

use crate::builder::WorkerBuilder;
use crate::engine::Engine;
use crate::exit::{Exit, WorkerError};
use crate::outage::backoff;
use crate::registry::Registry;
use crate::runtime::HandlerRuntime;
use crate::worker::Worker;

pub(crate) use self::wake::wake;

/// Chores that one worker does at once. They are short: a few requests each.
const AT_ONCE: usize = 4;

/// All chores and their handlers.
fn registry() -> Registry {
    Registry::new().task(release::release).task(tick::tick)
}

/// The settings of the worker inside the worker, which does the chores.
pub(crate) fn settings(outer: &WorkerBuilder) -> WorkerBuilder {
    let mut inner = outer.clone();
    inner.tasks = registry().into_tasks();
    inner.queues = vec![QueueName::new(CHORES).unwrap_or_default()];
    inner.concurrency = AT_ONCE;
    inner.handlers = HandlerRuntime::Current;
    inner.shutdown_timeout = Duration::from_secs(5);
    inner.chores = false;
    inner.inner = true;
    inner
}

/// Does chores until the worker stops. A broker that refuses the queue is asked again: a worker
/// with the right to make it may come.
pub(crate) async fn keep(engine: Arc<Engine>, settings: WorkerBuilder) {
    let mut failures = 0;
    while !engine.stopping.is_cancelled() {
        let stopping = engine.stopping.clone();
        let worker = settings.clone().build();
        let done = tokio::select! {
            done = boxed(worker, stopping) => done,
            () = tick::watch(engine.clone()) => return,
        };
        if let Err(err) = done {
            failures += 1;
            if failures == 1 {
                tracing::warn!("schedules and workflows wait for another worker: {err}");
            }
            tokio::select! {
                () = engine.sleep(backoff(failures) * 10) => {}
                () = engine.stopping.cancelled() => {}
            }
        }
    }
}

/// In a box, and by name: a worker runs a worker.
fn boxed(worker: Worker, stopping: CancellationToken) -> BoxFuture<'static, WorkerResult> {
    Box::pin(worker.run(async move { stopping.cancelled().await }))
}

type WorkerResult = Result<Exit, WorkerError>;
