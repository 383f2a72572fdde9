//! A queue for one test, and the processes that work on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::QueueName;
use naq_core::transport::Transport;
use naq_faults::fleet::RunPaths;
use naq_faults::history::{HandlerRun, RunHistory};
use naq_faults::plan::PlannedJob;
use naq_faults::roles::DIE_VARIABLE;
use naq_faults::script::{DelayPattern, Script};
use naq_faults::stored_job::{JobEnd, StoredJob};
use naq_faults::{broker, producer};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{ChildProcess, NatsCluster, eventually, shared_server, unique};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The time limit of each wait: several leases on a busy machine.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The address of the broker of all tests in this process: one server, or a cluster of three with
/// `NAQ_TEST_SERVERS=3`.
pub(crate) async fn broker_url() -> String {
    static CLUSTER: OnceCell<NatsCluster> = OnceCell::const_new();
    match std::env::var("NAQ_TEST_SERVERS").as_deref() {
        Ok("3") => CLUSTER.get_or_try_init(NatsCluster::start).await.unwrap().url(),
        _ => shared_server().url(),
    }
}

/// A queue for one test, and a directory for ledgers.
pub(crate) struct TestSetup {
    pub(crate) queue: String,
    transport: Arc<dyn Transport>,
    paths: RunPaths,
    _dir: TempDir,
}

impl TestSetup {
    pub(crate) async fn new(name: &str) -> Self {
        Self::at(broker_url().await, name).await
    }

    /// A queue at the server with this address.
    pub(crate) async fn at(url: String, name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_naq-fault-run")).to_owned();
        let paths = RunPaths { program, dir: dir.path().to_owned(), url: url.clone() };
        let transport = Arc::new(NatsTransport::connect(patient_config(url)).await.unwrap());
        Self { queue: unique(name), transport, paths, _dir: dir }
    }

    /// Enqueues a job that is due after `delay_ms`.
    pub(crate) async fn enqueue(&self, script: Script, delay_ms: u64) -> PlannedJob {
        let job = self.planned(script, delay_ms);
        self.send(std::slice::from_ref(&job)).await;
        job
    }

    /// Enqueues `count` jobs at once.
    pub(crate) async fn enqueue_many(&self, script: Script, count: usize) -> Vec<PlannedJob> {
        let jobs: Vec<_> = (0..count).map(|_| self.planned(script, 0)).collect();
        self.send(&jobs).await;
        jobs
    }

    /// A client with this queue as its default.
    pub(crate) fn client(&self) -> Client {
        let queue = QueueName::new(&self.queue).unwrap();
        Client::new(self.transport.clone()).default_queue(queue)
    }

    /// The address of the broker, `host:port`.
    pub(crate) fn address(&self) -> &str {
        self.paths.url.trim_start_matches("nats://")
    }

    /// The path of a file in the directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.paths.dir.join(name)
    }

    fn planned(&self, script: Script, delay_ms: u64) -> PlannedJob {
        PlannedJob {
            id: unique("job"),
            queue: self.queue.clone(),
            send_at_ms: 0,
            delay_ms,
            script,
            pace: DelayPattern::Fixed,
        }
    }

    async fn send(&self, jobs: &[PlannedJob]) {
        let client = Client::new(self.transport.clone());
        let prepared = jobs.iter().map(|job| producer::prepare(job, &client).unwrap());
        let prepared: Vec<_> = prepared.collect();
        for answer in client.enqueue_many(prepared).await {
            answer.unwrap();
        }
    }

    /// Starts a worker. It dies at the point `die`, if there is one.
    pub(crate) fn worker(&self, name: &str, die: Option<&str>) -> ChildProcess {
        self.worker_with(name, die, &[])
    }

    pub(crate) fn worker_with(
        &self,
        name: &str,
        die: Option<&str>,
        options: &[&str],
    ) -> ChildProcess {
        let mut command = self.paths.command("worker");
        command.args(["--name", name]).args(options).arg(&self.queue);
        spawn(command, die)
    }

    /// Starts an operator's action on a job.
    pub(crate) fn operator(
        &self,
        action: &str,
        job: &PlannedJob,
        die: Option<&str>,
    ) -> ChildProcess {
        let mut command = self.paths.command("operator");
        command.args([action, &self.queue, &job.id]);
        spawn(command, die)
    }

    /// The ledgers of all processes.
    pub(crate) fn history(&self) -> RunHistory {
        RunHistory::load(&self.paths.dir).unwrap()
    }

    /// The handler runs of a job.
    pub(crate) fn runs(&self, job: &PlannedJob) -> Vec<HandlerRun> {
        self.history().runs(&job.id).to_vec()
    }

    /// Waits until a handler of the job has started.
    pub(crate) async fn started(&self, job: &PlannedJob) {
        eventually("a start", TIME_LIMIT, async || !self.runs(job).is_empty()).await;
    }

    /// What the broker has stored of a job.
    pub(crate) async fn stored_job(&self, job: &PlannedJob) -> StoredJob {
        self.stored_jobs(std::slice::from_ref(job)).await.remove(&job.id).unwrap()
    }

    /// The same for several jobs, by id.
    pub(crate) async fn stored_jobs(&self, jobs: &[PlannedJob]) -> BTreeMap<String, StoredJob> {
        let mut stored = broker::stored_jobs(&*self.transport, jobs).await.unwrap();
        // Remove dead letters of other tests.
        stored.retain(|id, _| jobs.iter().any(|job| job.id == *id));
        stored
    }

    /// Waits until the broker has stored the job's end and no other message of it.
    pub(crate) async fn end(&self, job: &PlannedJob) -> JobEnd {
        eventually("one end and nothing else", TIME_LIMIT, async || {
            let stored = self.stored_job(job).await;
            match stored.ends.as_slice() {
                [end] if stored.live.is_empty() && stored.half.is_empty() => Ok(end.clone()),
                _ => Err(format!("{stored:?}")),
            }
        })
        .await
    }

    /// Whether the worker that died listed the job as begun. Its death counts as a crash only then.
    pub(crate) async fn is_listed(&self, worker: &str, job: &PlannedJob) -> bool {
        let listed = broker::listed_jobs(&*self.transport).await.unwrap();
        listed.get(worker).is_some_and(|jobs| jobs.contains(&job.id))
    }

    /// Waits until no job is waiting or running in the queue.
    pub(crate) async fn wait_until_empty(&self) {
        self.fewer_than(1).await;
    }

    /// Waits until fewer than `limit` jobs are waiting or running in the queue.
    pub(crate) async fn fewer_than(&self, limit: u64) {
        let queue = QueueName::new(&self.queue).unwrap();
        eventually("fewer jobs in the queue", TIME_LIMIT, async || {
            let info = self.transport.queue_info(&queue).await.unwrap().unwrap();
            let left = info.pending + info.running + info.waiting;
            (left < limit).then_some(()).ok_or(format!("{info:?}"))
        })
        .await;
    }
}

fn spawn(mut command: Command, die: Option<&str>) -> ChildProcess {
    if let Some(point) = die {
        command.env(DIE_VARIABLE, point);
    }
    ChildProcess::spawn(command).unwrap()
}

/// Waits until the process has aborted itself.
pub(crate) async fn died(mut child: ChildProcess) {
    use std::os::unix::process::ExitStatusExt;
    let status = child.wait(TIME_LIMIT).await.unwrap();
    assert_eq!(status.signal(), Some(6), "it ended with {status}:\n{}", child.stderr());
}

/// These tests wait for a busy broker: they do not test the time of its first answer.
fn patient_config(url: String) -> NatsConfig {
    let mut config = NatsConfig::new(url);
    config.wait_for_broker = true;
    config
}
