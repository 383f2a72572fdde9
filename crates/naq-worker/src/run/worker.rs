//! [`Worker`]: takes jobs from queues and runs their handlers.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use naq_core::{QueueName, WorkerId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::exit::{Exit, WorkerError};
use super::handler_runtime::Runners;
use super::operator_signals;
use super::settings::Settings;
use super::slot::run_slot;
use super::stats_writer::StatsWriter;
use super::stop_signals::StopSignals;
use super::{drain, heartbeat, start};
use crate::chores;
use crate::engine::{Engine, Health};
use crate::intake::{feed, keep_leases};
use crate::settle::settle_all;

/// Takes jobs from queues and runs their handlers.
///
/// ```no_run
/// # use naq_client::Client;
/// # use naq_worker::{Registry, Worker};
/// # async fn f(client: Client, registry: Registry) -> Result<(), naq_worker::WorkerError> {
/// let exit = Worker::builder(client, registry)
///     .queues(["mail", "default"])
///     .concurrency(20)
///     .build()
///     .run_until_signal()
///     .await?;
/// std::process::exit(exit.code().into());
/// # }
/// ```
#[derive(Debug)]
pub struct Worker {
    settings: Settings,
    id: WorkerId,
    health: Health,
}

impl Worker {
    pub(super) fn new(settings: Settings, id: WorkerId) -> Self {
        let health = Health::new(settings.client.transport().clone());
        Self { settings, id, health }
    }

    /// The worker's id.
    pub fn id(&self) -> &WorkerId {
        &self.id
    }

    /// The queues that the worker takes jobs from.
    pub fn queues(&self) -> &[QueueName] {
        &self.settings.queues
    }

    /// Whether the worker takes jobs. Keep the returned value to ask while the worker runs.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Runs until `shutdown` completes or an operator [drains](naq_client::Client::drain_worker) the
    /// worker, and then drains: it fetches nothing more, lets running jobs finish within the grace
    /// period, and gives the other deliveries back.
    ///
    /// Call it on the runtime on which the transport was connected. Dropping the future ends the worker
    /// at once, like a crash: its deliveries come back when their leases end.
    ///
    /// # Errors
    /// [`WorkerError`] when the worker cannot start. Once it runs, errors of the broker are logged, and
    /// the worker goes on.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<Exit, WorkerError> {
        let Self { settings, id, health } = self;
        let grace = settings.shutdown_timeout;
        let (handlers, threads) = (settings.handlers, settings.handler_threads);
        let chores_settings = settings.chores.then(|| settings.for_chores());
        let _run = health.start_run();
        let (settle_requests, inbox) = mpsc::unbounded_channel();
        let engine = Arc::new(start::engine(settings, id, health, settle_requests));

        // Dropped in this order at the end: first the handlers stop, then nothing fetches or settles.
        let mut tasks = JoinSet::new();
        let mut feeds = JoinSet::new();
        let mut reporters = JoinSet::new();
        let mut runners = Runners::start(handlers, threads, engine.concurrency)?;

        let mut shutdown = std::pin::pin!(shutdown);
        let opened = tokio::select! {
            biased;
            () = &mut shutdown => return Ok(Exit::Drained),
            opened = start::open_queues(&engine) => opened?,
        };
        for (queue, open) in engine.queues.iter().zip(opened) {
            if open.is_none() {
                engine.health.stuck(&queue.name);
            }
            feeds.spawn(feed(engine.clone(), queue.clone(), open));
            tasks.spawn(keep_leases(engine.clone(), queue.clone()));
        }
        tasks.spawn(settle_all(engine.clone(), inbox));
        let gates = engine.deps.gates.clone();
        tasks.spawn(async move { gates.run().await });
        if let Some(times) = engine.role.heartbeat() {
            reporters.spawn(heartbeat::send_heartbeats(engine.clone(), times));
        }
        if let Some(writer) = StatsWriter::of(&engine) {
            reporters.spawn(writer.run());
        }
        let mut chores_worker = JoinSet::new();
        if let Some(settings) = chores_settings {
            let start = move |stopping| chores_run(settings.clone(), stopping);
            chores_worker.spawn(chores::run_chores(engine.clone(), start));
        }
        tasks.spawn(operator_signals::listen(engine.clone()));
        for _ in 0..engine.concurrency {
            runners.spawn(run_slot(engine.clone()));
        }
        engine.health.working();
        log_start(&engine);

        tokio::select! {
            () = shutdown => {}
            () = engine.drain_asked.cancelled() => {}
        }
        engine.health.draining();
        drain::drain(&engine, feeds, reporters, grace).await;
        while chores_worker.join_next().await.is_some() {}
        if !engine.role.is_chores() {
            tracing::info!(worker = %engine.deps.worker, "stopped");
        }
        Ok(Exit::Drained)
    }

    /// Runs until SIGINT (Ctrl-C), SIGTERM or a drain by an operator, and then drains. A second
    /// signal ends the worker at once.
    ///
    /// # Errors
    /// [`WorkerError`] when the worker cannot start.
    pub async fn run_until_signal(self) -> Result<Exit, WorkerError> {
        let mut signals = StopSignals::listen().map_err(WorkerError::Signals)?;
        let (ask, asked) = oneshot::channel();
        let second = async {
            let first = signals.next().await;
            tracing::info!("{first:?}: stopping; a second signal ends the worker at once");
            // An error means that the worker has ended by itself.
            let _ = ask.send(());
            signals.next().await
        };
        tokio::select! {
            exit = self.run(async { drop(asked.await) }) => exit,
            signal = second => Ok(Exit::Forced(signal)),
        }
    }
}

/// A chores worker. In a box: a worker runs a worker.
fn chores_run(
    settings: Settings,
    stopping: CancellationToken,
) -> BoxFuture<'static, Result<(), WorkerError>> {
    let worker = Worker::new(settings.clone(), settings.worker_id());
    let run = worker.run(async move { stopping.cancelled().await });
    Box::pin(async move { run.await.map(drop) })
}

fn log_start(engine: &Engine) {
    if engine.role.is_chores() {
        return;
    }
    let queues: Vec<_> = engine.queues.iter().map(|q| q.name.as_str()).collect();
    let queues = queues.join(", ");
    let (slots, tasks) = (engine.concurrency, engine.deps.tasks.names().count());
    tracing::info!(
        worker = %engine.deps.worker,
        "working on {queues} with {slots} slots and {tasks} tasks"
    );
}
