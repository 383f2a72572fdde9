//! One job, one queue, some processes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::QueueName;
use naq_core::transport::Transport;
use naq_faults::fleet::Site;
use naq_faults::history::{End, Held, History, Run};
use naq_faults::plan::PlannedJob;
use naq_faults::roles::DIE_VARIABLE;
use naq_faults::script::{Pace, Script};
use naq_faults::{broker, producer};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{ChildProcess, eventually, shared_server, unique};
use tempfile::TempDir;

/// Long enough for some leases on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A queue of its own, and a directory for ledgers.
pub(crate) struct Scene {
    pub(crate) queue: String,
    transport: Arc<dyn Transport>,
    site: Site,
    _dir: TempDir,
}

impl Scene {
    pub(crate) async fn new(name: &str) -> Self {
        let url = shared_server().url();
        let dir = tempfile::tempdir().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_naq-fault-run")).to_owned();
        let site = Site { program, dir: dir.path().to_owned(), url: url.clone() };
        let transport = Arc::new(NatsTransport::connect(NatsConfig::new(url)).await.unwrap());
        Self { queue: unique(name), transport, site, _dir: dir }
    }

    /// Enqueues a job that becomes due after `delay_ms`.
    pub(crate) async fn enqueue(&self, script: Script, delay_ms: u64) -> PlannedJob {
        let job = self.planned(script, delay_ms);
        self.send(std::slice::from_ref(&job)).await;
        job
    }

    /// Enqueues so many at once.
    pub(crate) async fn enqueue_many(&self, script: Script, count: usize) -> Vec<PlannedJob> {
        let jobs: Vec<_> = (0..count).map(|_| self.planned(script, 0)).collect();
        self.send(&jobs).await;
        jobs
    }

    /// A client of its queue.
    pub(crate) fn client(&self) -> Client {
        let queue = QueueName::new(&self.queue).unwrap();
        Client::new(self.transport.clone()).default_queue(queue)
    }

    /// A file in its directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.site.dir.join(name)
    }

    fn planned(&self, script: Script, delay_ms: u64) -> PlannedJob {
        let (id, queue) = (unique("job"), self.queue.clone());
        PlannedJob { id, queue, send_at_ms: 0, delay_ms, script, pace: Pace::Fixed }
    }

    async fn send(&self, jobs: &[PlannedJob]) {
        let client = Client::new(self.transport.clone());
        let prepared = jobs.iter().map(|job| producer::prepare(job, &client).unwrap());
        let prepared: Vec<_> = prepared.collect();
        for answer in client.enqueue_many(prepared).await {
            answer.unwrap();
        }
    }

    /// A worker; it dies at `die`, if that is given.
    pub(crate) fn worker(&self, name: &str, die: Option<&str>) -> ChildProcess {
        self.worker_with(name, die, &[])
    }

    pub(crate) fn worker_with(
        &self,
        name: &str,
        die: Option<&str>,
        options: &[&str],
    ) -> ChildProcess {
        let mut command = self.site.command("worker");
        command.args(["--name", name]).args(options).arg(&self.queue);
        spawn(command, die)
    }

    /// Somebody who acts on a job.
    pub(crate) fn operator(&self, verb: &str, job: &PlannedJob, die: Option<&str>) -> ChildProcess {
        let mut command = self.site.command("operator");
        command.args([verb, &self.queue, &job.id]);
        spawn(command, die)
    }

    /// What all processes have written down.
    pub(crate) fn history(&self) -> History {
        History::load(&self.site.dir).unwrap()
    }

    /// What ran of a job.
    pub(crate) fn runs(&self, job: &PlannedJob) -> Vec<Run> {
        self.history().runs(&job.id).to_vec()
    }

    /// Waits until a handler of the job has begun.
    pub(crate) async fn started(&self, job: &PlannedJob) {
        eventually("a start", PATIENCE, async || !self.runs(job).is_empty()).await;
    }

    /// What the broker holds of a job.
    pub(crate) async fn held(&self, job: &PlannedJob) -> Held {
        self.held_all(std::slice::from_ref(job)).await.remove(&job.id).unwrap()
    }

    /// The same of many, by id.
    pub(crate) async fn held_all(&self, jobs: &[PlannedJob]) -> BTreeMap<String, Held> {
        let mut held = broker::held(&*self.transport, jobs).await.unwrap();
        // Dead letters of other tests.
        held.retain(|id, _| jobs.iter().any(|job| job.id == *id));
        held
    }

    /// Waits until the broker holds the job's end and nothing else of it.
    pub(crate) async fn end(&self, job: &PlannedJob) -> End {
        eventually("one end and nothing else", PATIENCE, async || {
            let held = self.held(job).await;
            match held.ends.as_slice() {
                [end] if held.live.is_empty() && held.half.is_empty() => Ok(end.clone()),
                _ => Err(format!("{held:?}")),
            }
        })
        .await
    }

    /// Waits until nothing waits or runs in the queue.
    pub(crate) async fn quiet(&self) {
        self.fewer_than(1).await;
    }

    /// Waits until fewer jobs than that wait or run in the queue.
    pub(crate) async fn fewer_than(&self, limit: u64) {
        let queue = QueueName::new(&self.queue).unwrap();
        eventually("a quieter queue", PATIENCE, async || {
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

/// Waits until the process has aborted at its die point.
pub(crate) async fn died(mut child: ChildProcess) {
    use std::os::unix::process::ExitStatusExt;
    let status = child.wait(PATIENCE).await.unwrap();
    assert_eq!(status.signal(), Some(6), "it ended with {status}:\n{}", child.stderr());
}
