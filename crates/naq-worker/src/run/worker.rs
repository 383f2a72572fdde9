//! [`Worker`]: takes jobs from queues and runs their handlers.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use naq_core::{QueueName, WorkerId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::exit::{Exit, WorkerError};
use super::handler_runtime::HandlerTasks;
use super::operator_signals;
use super::run_list_loop::run_list_loop;
use super::settings::Settings;
use super::slot::run_slot;
use super::stats_writer::StatsWriter;
use super::stop_signals::StopSignals;
use super::summary_loop::summary_loop;
use super::unused_args_loop::unused_args_loop;
use super::{drain, heartbeat, start};
use crate::chores;
use crate::crash::apart_loop;
use crate::engine::{Health, WorkerState};
use crate::intake::{fetch_loop, renew_loop, repair_loop};
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

    /// Runs until `shutdown` completes or an operator [drains](naq_client::Client::drain_worker)
    /// the worker, and then drains: it fetches nothing more, lets running jobs finish within the
    /// grace period, and gives the other deliveries back.
    ///
    /// Call it on the runtime on which the transport was connected. Dropping the future ends the
    /// worker at once, like a crash: its deliveries come back when their leases end.
    ///
    /// # Errors
    /// [`WorkerError`] when the worker cannot start. Once it runs, errors of the broker are logged,
    /// and the worker goes on.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<Exit, WorkerError> {
        let Self { settings, id, health } = self;
        let grace = settings.shutdown_timeout;
        let (handlers, threads) = (settings.handlers, settings.handler_threads);
        let chores_settings = settings.chores.then(|| settings.for_chores());
        let _run = health.start_run();
        let (settle_requests, inbox) = mpsc::unbounded_channel();
        let worker = Arc::new(start::worker_state(settings, id, health, settle_requests));

        // Dropped in this order at the end: first the handlers stop, then nothing fetches or
        // settles.
        let mut tasks = JoinSet::new();
        let mut fetch_loops = JoinSet::new();
        let mut reporters = JoinSet::new();
        let mut runners = HandlerTasks::start(handlers, threads, worker.concurrency)?;

        let mut shutdown = std::pin::pin!(shutdown);
        let opened = tokio::select! {
            biased;
            () = &mut shutdown => return Ok(Exit::Drained),
            opened = start::open_queues(&worker) => opened?,
        };
        for (queue, open) in worker.queues.iter().zip(opened) {
            if open.is_none() {
                worker.health.queue_stuck(&queue.name);
            }
            fetch_loops.spawn(fetch_loop(worker.clone(), queue.clone(), open));
            tasks.spawn(renew_loop(worker.clone(), queue.clone()));
            tasks.spawn(repair_loop(worker.clone(), queue.clone()));
        }
        tasks.spawn(apart_loop(worker.clone()));
        tasks.spawn(settle_all(worker.clone(), inbox));
        let gates = worker.deps.gates.clone();
        tasks.spawn(async move { gates.maintain().await });
        if let Some(times) = worker.role.heartbeat() {
            reporters.spawn(heartbeat::heartbeat_loop(worker.clone(), times));
            reporters.spawn(summary_loop(worker.clone()));
            reporters.spawn(unused_args_loop(worker.clone()));
        }
        reporters.spawn(run_list_loop(worker.clone()));
        if let Some(writer) = StatsWriter::of(&worker) {
            reporters.spawn(writer.stats_loop());
        }
        let mut chores_worker = JoinSet::new();
        if let Some(settings) = chores_settings {
            let start = move |stopping| chores_run(settings.clone(), stopping);
            chores_worker.spawn(chores::run_chores(worker.clone(), start));
        }
        tasks.spawn(operator_signals::handle_signals(worker.clone()));
        for _ in 0..worker.concurrency {
            runners.spawn(run_slot(worker.clone()));
        }
        worker.health.set_working();
        log_start(&worker);

        tokio::select! {
            () = shutdown => {}
            () = worker.drain_requested.cancelled() => {}
        }
        worker.health.set_draining();
        drain::drain(&worker, fetch_loops, reporters, grace).await;
        while chores_worker.join_next().await.is_some() {}
        if worker.role.is_listed() {
            tracing::info!(worker = %worker.deps.worker_id, "stopped");
        }
        Ok(Exit::Drained)
    }

    /// Runs until SIGINT (Ctrl-C), SIGTERM or a drain by an operator, and then drains. A second
    /// signal ends the worker at once.
    ///
    /// # Errors
    /// [`WorkerError`] when the worker cannot start.
    pub async fn run_until_signal(self) -> Result<Exit, WorkerError> {
        let signals = StopSignals::listen()?;
        self.run_until(signals).await
    }

    /// Like [`run_until_signal`](Self::run_until_signal), for a program that has listened to the signals
    /// before it connected to the broker.
    ///
    /// # Errors
    /// [`WorkerError`] when the worker cannot start.
    pub async fn run_until(self, mut signals: StopSignals) -> Result<Exit, WorkerError> {
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

fn log_start(worker: &WorkerState) {
    if !worker.role.is_listed() {
        return;
    }
    let queues: Vec<_> = worker.queues.iter().map(|q| q.name.as_str()).collect();
    let queues = queues.join(", ");
    if worker.queues.is_empty() {
        tracing::info!(worker = %worker.deps.worker_id, "working on chores only");
        return;
    }
    let (slots, tasks) = (worker.concurrency, worker.deps.tasks.names().count());
    tracing::info!(
        worker = %worker.deps.worker_id,
        "working on {queues} with {slots} slots and {tasks} tasks"
    );
}
