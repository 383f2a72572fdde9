//! A queue, a service, and workers whose jobs call the service.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::transport::{JobKey, Transport};
use naq_core::{Clock, Envelope, Job, JobId, JobState, QueueName, SystemClock, Timer, Timestamp};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{ChildProcess, eventually, shared_server, unique};

use crate::service::Service;

/// The time limit of each wait, on a busy machine.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(40);

pub(crate) struct TestSetup {
    pub(crate) service: Service,
    pub(crate) client: Client,
    pub(crate) breaker: String,
    transport: Arc<dyn Transport>,
    queue: QueueName,
    url: String,
}

impl TestSetup {
    pub(crate) async fn new(name: &str) -> Self {
        let url = shared_server().url();
        let queue = QueueName::new(unique(name)).unwrap();
        let transport: Arc<dyn Transport> =
            Arc::new(NatsTransport::connect(patient_config(url.clone())).await.unwrap());
        let client = Client::new(transport.clone()).default_queue(queue.clone());
        let service = Service::start().await;
        let breaker = unique("service");
        Self { service, client, breaker, transport, queue, url }
    }

    /// Starts a worker process and waits until it is ready.
    pub(crate) async fn worker(&self, name: &str) -> ChildProcess {
        let mut command = Command::new(env!("CARGO_BIN_EXE_naq-fault-run"));
        let service = self.service.address.to_string();
        command.args(["caller", "--url", &self.url, "--name", name, "--service", &service]);
        command.args(["--breaker", &self.breaker, self.queue.as_str()]);
        let mut child = ChildProcess::spawn(command).unwrap();
        child.wait_for_output("working on", TIME_LIMIT).await.unwrap();
        child
    }

    /// Enqueues a job at each interval until `until` returns true. Returns their ids.
    pub(crate) async fn traffic<J: Job>(
        &self,
        every: Duration,
        until: impl Fn(usize) -> bool,
        job: impl Fn() -> J,
    ) -> Vec<JobId> {
        let begin = SystemClock.now();
        let mut ids = Vec::new();
        while !until(ids.len()) {
            let id = JobId::random();
            let sent = self.client.enqueue(job()).id(id.as_str());
            sent.max_retries(1_000).retry_delay(Duration::from_millis(250)).await.unwrap();
            ids.push(id);
            let next = every * u32::try_from(ids.len()).unwrap();
            SystemClock.sleep_until(begin + next).await;
        }
        ids
    }

    /// Waits until no job is waiting or running in the queue.
    pub(crate) async fn wait_until_empty(&self) {
        eventually("an empty queue", TIME_LIMIT, async || {
            let info = self.transport.queue_info(&self.queue).await.unwrap().unwrap();
            let left = info.pending + info.running + info.waiting;
            (left == 0).then_some(()).ok_or(format!("{info:?}"))
        })
        .await;
    }

    /// The envelope in the record of a job, once it has completed. The numbers of a queue are read one after
    /// the other: a job that moves meanwhile from one state to the next can be missing in all of them.
    pub(crate) async fn completed(&self, id: &JobId) -> Envelope {
        let key = JobKey::new(self.queue.clone(), id.clone());
        eventually("a completed job", TIME_LIMIT, async || {
            let report = self.client.report(&key).await.unwrap();
            (report.state == JobState::Completed).then_some(()).ok_or(format!("{id}: {report:?}"))
        })
        .await;
        self.client.report(&key).await.unwrap().envelope.unwrap()
    }
}

pub(crate) async fn wait(time: Duration) {
    let until: Timestamp = SystemClock.now() + time;
    SystemClock.sleep_until(until).await;
}

/// These tests wait for a busy broker: they do not test the time of its first answer.
fn patient_config(url: String) -> NatsConfig {
    let mut config = NatsConfig::new(url);
    config.wait_for_broker = true;
    config
}
