//! [`Worker`]: takes jobs and runs them, until it is asked to stop.

use std::future::Future;
use std::sync::Arc;

use naq_client::Client;
use naq_core::transport::Subscription;
use naq_core::{QueueName, WorkerId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::builder::WorkerBuilder;
use crate::engine::{Counts, Engine, Link, Queue};
use crate::execute::Stage;
use crate::exit::{Exit, StopSignal, WorkerError};
use crate::gates::{
    BreakerGate, BudgetGate, DependsGate, Gate, Gates, LimitGate, PauseGate, UniqueGate,
};
use crate::health::Health;
use crate::metrics::Meters;
use crate::ready::Ready;
use crate::registry::Registry;
use crate::runtime::Runners;
use crate::{chores, drain, feed, heartbeat, lease, settle, signals, stats};

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
    settings: WorkerBuilder,
    id: WorkerId,
    health: Health,
}

impl Worker {
    /// Settings to start from. The worker uses the client's connection; the handlers find the
    /// client in their context.
    pub fn builder<S: Clone + Send + Sync + 'static>(
        client: Client,
        registry: Registry<S>,
    ) -> WorkerBuilder {
        WorkerBuilder::new(client, registry)
    }

    pub(crate) fn new(settings: WorkerBuilder, id: WorkerId) -> Self {
        let health = Health::new(settings.client.transport().clone());
        Self { settings, id, health }
    }

    /// Its id.
    pub fn id(&self) -> &WorkerId {
        &self.id
    }

    /// The queues that it takes jobs from.
    pub fn queues(&self) -> &[QueueName] {
        &self.settings.queues
    }

    /// Whether it takes jobs, for whoever asks while it runs.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Runs until `shutdown` completes, or an operator [drains](Client::drain_worker) it, and then
    /// drains: fetches nothing more, lets what runs
    /// finish within the grace period, gives the rest back untouched.
    ///
    /// Call it on the runtime that the transport was connected on. Dropping the future ends the
    /// worker at once, as a crash would: what it held comes back when its lease ends.
    ///
    /// # Errors
    /// [`WorkerError`] when it cannot start. Later errors of the broker are logged and outlived.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<Exit, WorkerError> {
        let grace = self.settings.shutdown_timeout;
        let runtime = (self.settings.handlers, self.settings.handler_threads);
        let (settlements, inbox) = mpsc::unbounded_channel();
        let chores = self.settings.chores.then(|| chores::settings(&self.settings));
        let inner = self.settings.inner;
        let health = self.health();
        let _run = health.run();
        let engine = Arc::new(self.into_engine(settlements));

        // Dropped in this order at the end: first nobody runs, then nobody fetches or settles.
        let mut tasks = JoinSet::new();
        let mut feeds = JoinSet::new();
        let mut beat = JoinSet::new();
        let mut runners = Runners::start(runtime.0, runtime.1, engine.concurrency)?;

        let mut shutdown = std::pin::pin!(shutdown);
        let opened = tokio::select! {
            biased;
            () = &mut shutdown => return Ok(Exit::Drained),
            opened = open_all(&engine) => opened?,
        };
        for (queue, open) in engine.queues.iter().zip(opened) {
            if open.is_none() {
                health.stuck_at(&queue.name);
            }
            feeds.spawn(feed::feed(engine.clone(), queue.clone(), open));
            tasks.spawn(lease::keep(engine.clone(), queue.clone()));
        }
        tasks.spawn(settle::settle_all(engine.clone(), inbox));
        let gates = engine.stage.gates.clone();
        tasks.spawn(async move { gates.keep().await });
        if !inner {
            beat.spawn(heartbeat::beat(engine.clone()));
        }
        if let Some(told) = &engine.stats {
            beat.spawn(stats::tell(engine.clone(), told.clone()));
        }
        let mut own = JoinSet::new();
        if let Some(settings) = chores {
            own.spawn(chores::keep(engine.clone(), settings));
        }
        tasks.spawn(signals::listen(engine.clone()));
        for _ in 0..engine.concurrency {
            runners.spawn(engine.clone().slot());
        }
        health.working();
        if !inner {
            tracing::info!(worker = %engine.stage.worker, "{}", introduction(&engine));
        }

        tokio::select! {
            () = shutdown => {}
            () = engine.drained.cancelled() => {}
        }
        health.draining();
        drain::drain(&engine, feeds, beat, grace).await;
        while own.join_next().await.is_some() {}
        if !inner {
            tracing::info!(worker = %engine.stage.worker, "stopped");
        }
        Ok(Exit::Drained)
    }

    /// Runs until SIGINT (Ctrl-C), SIGTERM or an operator's word, and then drains; a second signal ends it at once.
    ///
    /// # Errors
    /// [`WorkerError`] when it cannot start.
    pub async fn run_until_signal(self) -> Result<Exit, WorkerError> {
        let mut signals = Signals::listen().map_err(WorkerError::Signals)?;
        let (ask, asked) = oneshot::channel();
        let twice = async {
            let first = signals.next().await;
            tracing::info!("{first:?}: stopping; once more to end at once");
            // An error means that the worker has ended by itself.
            let _ = ask.send(());
            signals.next().await
        };
        tokio::select! {
            exit = self.run(async { drop(asked.await) }) => exit,
            signal = twice => Ok(Exit::Forced(signal)),
        }
    }

    pub(crate) fn into_engine(
        self,
        settlements: mpsc::UnboundedSender<settle::Settlement>,
    ) -> Engine {
        let Self { settings, id, health } = self;
        let gates = gates(&settings, &id);
        let (sharing, weights) = settings.sharing();
        let ready = Ready::new(settings.concurrency, sharing, weights);
        let meters = (!settings.inner)
            .then(|| Meters::new(&settings.queues, &settings.tasks, settings.concurrency));
        let queues = settings.queues.into_iter().enumerate();
        let queues = queues.map(|(index, name)| Queue::new(index, name, settings.lease));
        Engine {
            transport: settings.client.transport().clone(),
            timer: settings.timer.clone(),
            queues: queues.map(Arc::new).collect(),
            concurrency: settings.concurrency,
            inner: settings.inner,
            lease: settings.lease,
            heartbeat: settings.heartbeat,
            unknown_tasks: settings.unknown_tasks,
            large_results: settings.large_results,
            ready,
            counts: Counts::default(),
            health,
            meters,
            stats: (settings.stats && !settings.inner).then(Default::default),
            settling: Link::new(),
            drained: CancellationToken::new(),
            stopping: CancellationToken::new(),
            settlements,
            stage: Stage {
                worker: id,
                client: settings.client,
                timer: settings.timer,
                tasks: settings.tasks,
                gates,
                redactor: settings.redactor,
            },
        }
    }
}

/// In the order in which a job passes them.
fn gates(settings: &WorkerBuilder, id: &WorkerId) -> Gates {
    let WorkerBuilder { client, timer, tasks, lease, .. } = settings;
    let queues = settings.retry_budgets.iter().map(|(queue, budget)| (queue, *budget));
    let budgets = tasks.retry_budgets();
    let breaker = || BreakerGate::new(client.clone(), timer.clone(), tasks, *lease);
    let transport = || client.transport().clone();
    let mut gates: Vec<Arc<dyn Gate>> = vec![Arc::new(DependsGate::new(client.clone()))];
    if !settings.inner {
        gates.push(Arc::new(PauseGate::new(client.clone(), timer.clone())));
        gates.push(Arc::new(breaker()));
    }
    gates.push(Arc::new(LimitGate::new(transport(), timer.clone(), id.clone(), *lease)));
    gates.push(Arc::new(BudgetGate::new(transport(), timer.clone(), budgets, queues)));
    gates.push(Arc::new(UniqueGate::new(client.clone())));
    Gates::new(gates)
}

/// Opens every queue before the first is fetched from: when one is refused, nothing has been handed
/// out yet.
async fn open_all(engine: &Engine) -> Result<Vec<Option<Box<dyn Subscription>>>, WorkerError> {
    let mut opened = Vec::with_capacity(engine.queues.len());
    for queue in &engine.queues {
        opened.push(open(engine, queue).await?);
    }
    Ok(opened)
}

/// Opens the queue. A broker that is away is waited for later; one that refuses is an error now.
async fn open(
    engine: &Engine,
    queue: &Queue,
) -> Result<Option<Box<dyn Subscription>>, WorkerError> {
    match engine.transport.subscribe(&queue.name, engine.lease).await {
        Ok(subscription) => {
            queue.set_terms(&*subscription);
            Ok(Some(subscription))
        }
        Err(err) if err.is_transient() => Ok(None),
        Err(source) => Err(WorkerError::Queue { queue: queue.name.clone(), source }),
    }
}

fn introduction(engine: &Engine) -> String {
    let queues: Vec<_> = engine.queues.iter().map(|q| q.name.as_str()).collect();
    let tasks = engine.stage.tasks.names().count();
    let (queues, slots) = (queues.join(", "), engine.concurrency);
    format!("working on {queues} with {slots} slots and {tasks} tasks")
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> StopSignal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        StopSignal::Interrupt
    }
}
