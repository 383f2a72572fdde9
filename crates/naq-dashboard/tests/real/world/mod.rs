//! A broker of one test's own, workers that do as their jobs say, and what they wrote down.

mod ledger;
mod script;
mod site;
mod visit;

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

pub(crate) use ledger::{Entry, Ledger};
pub(crate) use script::{Script, Step};
pub(crate) use site::Site;
pub(crate) use visit::{Visit, key};

/// Long enough for whatever is waited for, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) server: NatsServer,
    pub(crate) client: Client,
    pub(crate) ledger: Ledger,
}

impl World {
    pub(crate) async fn start() -> Result<Self> {
        let server = NatsServer::start()?;
        let client = connect(&server.url()).await?;
        Ok(Self { server, client, ledger: Ledger::default() })
    }

    pub(crate) fn transport(&self) -> &Arc<dyn Transport> {
        self.client.transport()
    }

    /// Handlers of these tasks, that do as the script in a job's arguments says, and write it down.
    pub(crate) fn scripted(&self, tasks: &[&str]) -> Registry<Ledger> {
        let empty = Registry::with_state(self.ledger.clone());
        tasks.iter().fold(empty, |all, task| all.raw(task, script::run))
    }

    /// A worker with a connection of its own.
    pub(crate) async fn worker<S: Clone + Send + Sync + 'static>(
        &self,
        name: &str,
        queues: &[&str],
        registry: Registry<S>,
    ) -> Result<Hand> {
        let builder = Worker::builder(connect(&self.server.url()).await?, registry);
        let worker = builder.name(name).queues(queues).concurrency(20).build();
        let (id, (stop, stopped)) = (worker.id().clone(), oneshot::channel::<()>());
        let task = tokio::spawn(async move { worker.run(async { drop(stopped.await) }).await });
        Ok(Hand { id, stop, task })
    }

    /// Its dashboard, with a connection of its own, on a port of its own.
    pub(crate) async fn dashboard(&self, options: Options) -> Result<Site> {
        Site::serve(connect(&self.server.url()).await?, options).await
    }

    /// Waits until nothing waits or runs in these queues.
    pub(crate) async fn quiet(&self, queues: &[&str]) {
        for name in queues {
            let queue = queue(name);
            eventually(&format!("a quiet {name}"), PATIENCE, async || {
                let info = self.transport().queue_info(&queue).await;
                let info = info.map_err(|err| err.to_string())?.ok_or("no such queue")?;
                let left = info.pending + info.running + info.waiting;
                if left == 0 { Ok(()) } else { Err(format!("{info:?}")) }
            })
            .await;
        }
    }
}

/// A worker at work.
pub(crate) struct Hand {
    pub(crate) id: WorkerId,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<naq_worker::Exit, naq_worker::WorkerError>>,
}

impl Hand {
    /// Waits until it has ended by itself.
    pub(crate) async fn ended(self) -> Result<()> {
        tokio::time::timeout(PATIENCE, self.task).await???;
        Ok(())
    }

    /// As a deploy does: it finishes what runs, and says its last word.
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
