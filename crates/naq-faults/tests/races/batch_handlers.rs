//! A batch handler on a real broker: the jobs of one call end one by one, each as its own answer says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_client::Client;
use naq_core::transport::JobKey;
use naq_core::{ErrorKind, Failure, Job, JobState, QueueName};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{eventually, shared_server, unique};
use naq_worker::{JobBatch, Registry, Worker};
use serde::{Deserialize, Serialize};

const JOBS: usize = 60;
const BATCH: usize = 20;

#[derive(Debug, Serialize, Deserialize)]
struct Row(usize);

impl Job for Row {
    const NAME: &'static str = "row";
    type Output = usize;
}

#[derive(Debug, Default)]
struct Ledger {
    sizes: Mutex<Vec<usize>>,
    attempts: Mutex<HashMap<usize, Vec<u32>>>,
    cancel_seen: tokio::sync::Notify,
}

/// A third of the rows is good, a third fails once, and a third is bad. The last batch waits until its
/// row 0 was cancelled.
async fn import(batch: JobBatch<Row, Arc<Ledger>>) -> Result<(), Failure> {
    let ledger = batch.state().clone();
    ledger.sizes.lock().unwrap().push(batch.len());
    if let Some(held) = batch.iter().find(|job| job.args().0 == 0) {
        ledger.cancel_seen.notify_one();
        held.context().cancelled().await;
    }
    for job in batch {
        let (row, attempt) = (job.args().0, job.context().attempt());
        ledger.attempts.lock().unwrap().entry(row).or_default().push(attempt);
        match row % 3 {
            1 if attempt == 1 => job.fail(Failure::new("HTTPError.503", "later")),
            2 => job.fail(Failure::new(ErrorKind::VALUE, "not a number").fatal()),
            _ => job.complete(row),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_jobs_of_one_call_are_settled_each_by_its_own_answer() {
    let config = || NatsConfig::new(shared_server().url()).prefix("race");
    let queue = QueueName::new(unique("rows")).unwrap();
    let producer = NatsTransport::connect(config()).await.unwrap();
    let client = Client::new(Arc::new(producer)).default_queue(queue.clone());
    let ledger = Arc::<Ledger>::default();
    let mut handles = Vec::new();
    for row in 0..JOBS {
        handles.push(
            client.enqueue(Row(row)).max_retries(1).retry_delay([Duration::ZERO]).await.unwrap(),
        );
    }
    let registry = Registry::with_state(ledger.clone());
    let wait = Duration::from_millis(200);
    let registry = registry.batch(import).max_jobs(BATCH).max_wait(wait).add();
    let own = Client::new(Arc::new(NatsTransport::connect(config()).await.unwrap()));
    let worker = Worker::builder(own, registry).queues([queue.as_str()]).concurrency(JOBS);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = tokio::spawn(worker.chores(false).build().run(async { drop(stopped.await) }));

    ledger.cancel_seen.notified().await;
    let held = JobKey::new(queue.clone(), handles[0].id().clone());
    client.cancel(&held, "not needed").await.unwrap();
    eventually("all jobs to end", Duration::from_secs(30), async || {
        let mut open = 0;
        for handle in &handles {
            open += usize::from(!handle.report().await.unwrap().state.is_final());
        }
        (open == 0).then_some(()).ok_or(format!("{open} jobs have not ended"))
    })
    .await;
    stop.send(()).unwrap();
    worker.await.unwrap().unwrap();

    for (row, handle) in handles.iter().enumerate() {
        let state = handle.report().await.unwrap().state;
        let expected = match row % 3 {
            _ if row == 0 => JobState::Cancelled,
            2 => JobState::Dead,
            _ => JobState::Completed,
        };
        assert_eq!(state, expected, "row {row}");
        let attempts: &[u32] = if row % 3 == 1 { &[1, 2] } else { &[1] };
        assert_eq!(ledger.attempts.lock().unwrap()[&row], attempts, "row {row}");
    }
    let sizes = ledger.sizes.lock().unwrap().clone();
    assert!(sizes.iter().all(|size| *size <= BATCH) && sizes.contains(&BATCH), "{sizes:?}");
}
