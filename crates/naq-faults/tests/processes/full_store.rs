//! The broker's store is full, and workers are deployed. No job is poison for that, and none runs again
//! and again.

use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::transport::{JobKey, Lookup, Operator, Settler};
use naq_core::{Clock, JobId, JobState, QueueName, SystemClock, Timer};
use naq_faults::plan::{LEASE_MS, PlannedJob};
use naq_faults::script::Script;
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{NatsServer, eventually, unique};

use crate::setup::{TIME_LIMIT, TestSetup};

const STORE_BYTES: u64 = 32 * 1024 * 1024;
const SLOTS: &str = "4";
/// A job keeps its slot until its outcome is stored, so each worker starts as many jobs as it has slots. One
/// outcome of the first worker was stored before the store was full, so that worker starts one more.
const MOST_STARTS: [usize; 3] = [5, 9, 13];
const JOBS: usize = 12;
/// Each deploy comes after jobs that were left behind have come back.
const BETWEEN_DEPLOYS: Duration = Duration::from_millis(2 * LEASE_MS);

/// An operator who does not wait long for a store that is full.
async fn operator(server: &NatsServer) -> Arc<NatsTransport> {
    let mut config = NatsConfig::new(server.url());
    config.request_timeout = Duration::from_secs(1);
    Arc::new(NatsTransport::connect(config).await.expect("connected"))
}

/// Fills the store with jobs of another queue, the large ones first.
async fn fill(operator: &Arc<NatsTransport>, queue: &QueueName) {
    let client = Client::new(operator.clone()).default_queue(queue.clone());
    for size in [900_000, 90_000, 9_000, 900, 100] {
        while client.enqueue_task("fill", &"x".repeat(size)).expect("a name").await.is_ok() {}
    }
}

/// Other jobs wait for the ends of these jobs. So no worker gives up their records.
async fn await_ends(operator: &NatsTransport, queue: &QueueName, jobs: &[PlannedJob]) {
    for job in jobs {
        let key = JobKey::new(queue.clone(), JobId::new(&job.id).expect("an id"));
        let stored = operator.locate(&key).await.expect("found");
        let life = stored.first().expect("it is in the queue").step().nonce;
        operator.await_end(&key, &life).await.expect("marked");
    }
}

#[tokio::test]
async fn a_queue_drains_while_the_store_is_full() {
    let server = NatsServer::builder().max_file_store(STORE_BYTES).start().expect("a server");
    let setup = TestSetup::at(server.url(), "drain").await;
    let operator = operator(&server).await;
    let queue = QueueName::new(&setup.queue).expect("a name");
    let other = QueueName::new(unique("other")).expect("a name");
    let mut worker = setup.worker_with("w0", None, &["--concurrency", SLOTS]);
    worker.wait_for_output("working on", TIME_LIMIT).await.expect("it starts");
    let warm = setup.enqueue(Script::Succeed, 0).await;
    setup.end(&warm).await;
    operator.pause(&queue, SystemClock.now() + TIME_LIMIT * 10).await.expect("paused");
    let jobs = setup.enqueue_many(Script::Succeed, JOBS).await;
    let failing = setup.enqueue_many(Script::FailThenSucceed { failures: 1 }, 2).await;
    fill(&operator, &other).await;
    operator.resume(&queue).await.expect("resumed");
    eventually("all jobs that succeed to be acked", TIME_LIMIT, async || {
        let stored = setup.stored_jobs(&jobs).await;
        stored.values().all(|job| job.live.is_empty()).then_some(()).ok_or(format!("{stored:?}"))
    })
    .await;
    for job in &jobs {
        assert_eq!(setup.runs(job).len(), 1, "{}", job.id);
    }
    assert!(worker.stderr().contains("acked without a record"), "{}", worker.stderr());
    // The retries of the others were not given up: they end when there is room.
    operator.purge(&other).await.expect("purged");
    for job in &failing {
        assert_eq!(setup.end(job).await.state, JobState::Completed, "{}", job.id);
    }
    let later = setup.enqueue(Script::Succeed, 0).await;
    assert_eq!(setup.end(&later).await.state, JobState::Completed, "records fit again");
}

#[tokio::test]
async fn deploys_while_the_store_is_full_make_no_poison_of_jobs_that_succeeded() {
    let server = NatsServer::builder().max_file_store(STORE_BYTES).start().expect("a server");
    let setup = TestSetup::at(server.url(), "full").await;
    let operator = operator(&server).await;
    let queue = QueueName::new(&setup.queue).expect("a name");
    let other = QueueName::new(unique("other")).expect("a name");
    let start = async |name: &str| {
        let mut worker =
            setup.worker_with(name, None, &["--concurrency", SLOTS, "--shutdown-ms", "500"]);
        worker.wait_for_output("working on", TIME_LIMIT).await.expect("it starts");
        worker
    };
    let mut worker = start("w0").await;
    // Its streams exist from now on.
    let warm = setup.enqueue(Script::Succeed, 0).await;
    setup.end(&warm).await;
    // Runs when the store becomes full, so its worker has listed it.
    let early = setup.enqueue(Script::Slow { ms: 20_000 }, 0).await;
    setup.started(&early).await;
    operator.pause(&queue, SystemClock.now() + TIME_LIMIT * 10).await.expect("paused");
    let mut jobs = setup.enqueue_many(Script::Slow { ms: 200 }, JOBS).await;
    await_ends(&operator, &queue, std::slice::from_ref(&early)).await;
    await_ends(&operator, &queue, &jobs).await;
    fill(&operator, &other).await;
    operator.resume(&queue).await.expect("resumed");
    eventually("the early job to finish", TIME_LIMIT, async || {
        setup.runs(&early).iter().any(|run| run.finish.is_some())
    })
    .await;
    jobs.push(early);
    for (deploy, most) in MOST_STARTS.into_iter().enumerate() {
        SystemClock.sleep_until(SystemClock.now() + BETWEEN_DEPLOYS).await;
        let runs: Vec<usize> = jobs.iter().map(|job| setup.runs(job).len()).collect();
        assert!(runs.iter().sum::<usize>() <= most, "before deploy {deploy}: {runs:?}");
        assert!(runs.iter().all(|runs| *runs <= 1), "before deploy {deploy}: {runs:?}");
        worker.terminate().expect("a signal");
        let status = worker.wait(TIME_LIMIT).await.expect("it drains");
        assert_eq!(status.code(), Some(0), "{}", worker.stderr());
        worker = start(&format!("w{deploy}")).await;
    }
    operator.purge(&other).await.expect("purged");
    for job in &jobs {
        let end = setup.end(job).await;
        assert_eq!((end.state, end.crashes), (JobState::Completed, 0), "{}", job.id);
        assert!(setup.runs(job).len() <= 2, "{}: {:?}", job.id, setup.runs(job));
    }
}
