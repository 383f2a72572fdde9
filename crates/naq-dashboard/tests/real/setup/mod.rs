//! A broker for one test, workers whose handlers follow a script in their jobs, and a log of their runs.

mod browser_session;
mod dashboard_server;
mod run_log;
mod script;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use naq_client::Client;
use naq_core::transport::Transport;
use naq_core::{QueueName, TaskName, WorkerId};
use naq_dashboard::Options;
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{NatsServer, eventually};
use naq_worker::{Registry, Worker};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use browser_session::{BrowserSession, key};
pub(crate) use dashboard_server::DashboardServer;
pub(crate) use run_log::{HandlerRun, RunLog};
pub(crate) use script::{Script, Step};

/// Long enough for every wait of the tests on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct TestSetup {
    pub(crate) server: NatsServer,
    pub(crate) client: Client,
    pub(crate) run_log: RunLog,
}

impl TestSetup {
    pub(crate) async fn start() -> Result<Self> {
        let server = NatsServer::start()?;
        let client = connect(&server.url()).await?;
        Ok(Self { server, client, run_log: RunLog::default() })
    }

    pub(crate) fn transport(&self) -> &Arc<dyn Transport> {
        self.client.transport()
    }

    /// Handlers for these tasks. They follow the script in a job's arguments and write to the run log.
    pub(crate) fn scripted(&self, tasks: &[&str]) -> Registry<RunLog> {
        let empty = Registry::with_state(self.run_log.clone());
        tasks.iter().fold(empty, |all, task| all.raw(task, script::run))
    }

    /// Starts a worker with its own connection.
    pub(crate) async fn worker<S: Clone + Send + Sync + 'static>(
        &self,
        name: &str,
        queues: &[&str],
        registry: Registry<S>,
    ) -> Result<RunningWorker> {
        let builder = Worker::builder(connect(&self.server.url()).await?, registry);
        let worker = builder.name(name).queues(queues).concurrency(20).build();
        let id = worker.id().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move { worker.run(async { drop(stopped.await) }).await });
        Ok(RunningWorker { id, stop, task })
    }

    /// Starts a dashboard with its own connection and its own port.
    pub(crate) async fn dashboard(&self, options: Options) -> Result<DashboardServer> {
        DashboardServer::serve(connect(&self.server.url()).await?, options).await
    }

    /// Waits until no job waits or runs in these queues.
    pub(crate) async fn wait_empty(&self, queues: &[&str]) {
        for name in queues {
            let queue = queue(name);
            eventually(&format!("an empty queue {name}"), TIMEOUT, async || {
                let info = self.transport().queue_info(&queue).await;
                let info = info.map_err(|err| err.to_string())?.ok_or("no such queue")?;
                let left = info.pending + info.running + info.waiting;
                if left == 0 { Ok(()) } else { Err(format!("{info:?}")) }
            })
            .await;
        }
    }
}

/// A running worker.
pub(crate) struct RunningWorker {
    pub(crate) id: WorkerId,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<naq_worker::Exit, naq_worker::WorkerError>>,
}

impl RunningWorker {
    /// Waits until the worker has ended by itself.
    pub(crate) async fn ended(self) -> Result<()> {
        tokio::time::timeout(TIMEOUT, self.task).await???;
        Ok(())
    }

    /// Stops the worker as a deployment does: it finishes its running jobs and writes its statistics.
    pub(crate) async fn stop(self) -> Result<()> {
        drop(self.stop);
        self.task.await??;
        Ok(())
    }
}

pub(crate) async fn connect(url: &str) -> Result<Client> {
    Ok(Client::new(Arc::new(NatsTransport::connect(NatsConfig::new(url)).await?)))
}

pub(crate) fn queue(name: &str) -> QueueName {
    QueueName::new(name).expect("a queue name")
}

pub(crate) fn task(name: &str) -> TaskName {
    TaskName::new(name).expect("a task name")
}
