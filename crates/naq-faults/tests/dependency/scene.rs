//! A queue, a service, and workers whose jobs call it.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::transport::{JobKey, Transport};
use naq_core::{Clock, Envelope, Job, JobId, JobState, QueueName, SystemClock, Timer, Timestamp};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{ChildProcess, eventually, shared_server, unique};

use crate::service::Service;

/// Long enough for everything to end on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) struct Scene {
    pub(crate) service: Service,
    pub(crate) client: Client,
    pub(crate) breaker: String,
    transport: Arc<dyn Transport>,
    queue: QueueName,
    url: String,
}

impl Scene {
    pub(crate) async fn new(name: &str) -> Self {
        let (url, queue) = (shared_server().url(), QueueName::new(unique(name)).unwrap());
        let transport: Arc<dyn Transport> =
            Arc::new(NatsTransport::connect(NatsConfig::new(url.clone())).await.unwrap());
        let client = Client::new(transport.clone()).default_queue(queue.clone());
        let (service, breaker) = (Service::start().await, unique("service"));
        Self { service, client, breaker, transport, queue, url }
    }

    /// A worker process, once it works.
    pub(crate) async fn worker(&self, name: &str) -> ChildProcess {
        let mut command = Command::new(env!("CARGO_BIN_EXE_naq-fault-run"));
        let service = self.service.address.to_string();
        command.args(["caller", "--url", &self.url, "--name", name, "--service", &service]);
        command.args(["--breaker", &self.breaker, self.queue.as_str()]);
        let mut child = ChildProcess::spawn(command).unwrap();
        child.wait_for_output("working on", PATIENCE).await.unwrap();
        child
    }

    /// Enqueues a job every so often until `until`; their ids.
    pub(crate) async fn traffic<J: Job>(
        &self,
        every: Duration,
        until: impl Fn(usize) -> bool,
        job: impl Fn() -> J,
    ) -> Vec<JobId> {
        let (begin, mut ids) = (SystemClock.now(), Vec::new());
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

    /// Waits until nothing waits or runs in the queue.
    pub(crate) async fn quiet(&self) {
        eventually("a quiet queue", PATIENCE, async || {
            let info = self.transport.queue_info(&self.queue).await.unwrap().unwrap();
            let left = info.pending + info.running + info.waiting;
            (left == 0).then_some(()).ok_or(format!("{info:?}"))
        })
        .await;
    }

    /// The job as its record has it; it must have completed.
    pub(crate) async fn completed(&self, id: &JobId) -> Envelope {
        let key = JobKey { queue: self.queue.clone(), id: id.clone() };
        let report = self.client.report(&key).await.unwrap();
        assert_eq!(report.state, JobState::Completed, "{id}");
        report.envelope.unwrap()
    }
}

pub(crate) async fn pause(time: Duration) {
    let until: Timestamp = SystemClock.now() + time;
    SystemClock.sleep_until(until).await;
}
