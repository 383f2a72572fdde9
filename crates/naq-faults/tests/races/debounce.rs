//! Many clients enqueue one debounced key at the same time, on a real broker: each job that was added
//! runs once, and the last arguments run.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use naq_client::Client;
use naq_core::{Clock, Failure, Job, QueueName, SystemClock};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{eventually, shared_server, unique};
use naq_worker::{Context, Registry, Worker};
use serde::{Deserialize, Serialize};

use crate::setup::until;

const CLIENTS: u32 = 4;

#[derive(Debug, Serialize, Deserialize)]
struct Index(u32);

impl Job for Index {
    const NAME: &'static str = "index";
    type Output = ();
}

/// The id and the arguments of each run.
type Runs = Arc<Mutex<Vec<(String, u32)>>>;

async fn index(job: Index, cx: Context<Runs>) -> Result<(), Failure> {
    cx.state().lock().unwrap().push((cx.job_id().to_string(), job.0));
    Ok(())
}

async fn connect(queue: &QueueName) -> Client {
    let config = NatsConfig::new(shared_server().url()).prefix("race");
    let transport = NatsTransport::connect(config).await.unwrap();
    Client::new(Arc::new(transport)).default_queue(queue.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_debounced_job_runs_once_with_the_last_arguments_however_many_clients_enqueue_it() {
    let queue = QueueName::new(unique("debounce")).unwrap();
    let runs = Runs::default();
    let registry = Registry::with_state(runs.clone()).task(index);
    let worker = Worker::builder(connect(&queue).await, registry).queues([queue.as_str()]);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = tokio::spawn(worker.chores(false).build().run(async { drop(stopped.await) }));
    let clients = join_all((0..CLIENTS).map(|_| connect(&queue))).await;

    // A burst: all at once, and nothing is due meanwhile.
    let burst = |client: Client, n: u32| async move {
        let mut added = Vec::new();
        for i in 0..10 {
            let job = client.enqueue(Index(n * 100 + i));
            let job = job.debounce("burst", Duration::from_secs(60)).await.unwrap();
            added.extend((!job.is_duplicate()).then(|| job.id().to_string()));
        }
        added
    };
    let added = join_all(clients.iter().zip(0..).map(|(client, n)| burst(client.clone(), n)));
    let added: Vec<String> = added.await.concat();
    assert_eq!(added.len(), 1, "{added:?}");
    let last = clients[1].enqueue(Index(7777)).debounce("burst", Duration::from_millis(1));
    let last = last.await.unwrap();
    assert_eq!(last.held_by().unwrap().id.as_str(), added[0]);

    // A stream of enqueues over many due times: some come while a job is about to start.
    let stream = |client: Client, n: u32| async move {
        let mut added = HashSet::new();
        for i in 0..12 {
            let job = client.enqueue(Index(n * 100 + i));
            let job = job.debounce("stream", Duration::from_millis(120)).await.unwrap();
            if !job.is_duplicate() {
                added.insert(job.id().to_string());
            }
            let pause = u64::from((n * 37 + i * 61) % 5) * 90;
            until(SystemClock.now() + Duration::from_millis(pause)).await;
        }
        added
    };
    let added_by = join_all(clients.iter().zip(10..).map(|(client, n)| stream(client.clone(), n)));
    let mut all: HashSet<String> = added_by.await.into_iter().flatten().collect();
    let end = clients[0].enqueue(Index(8888)).debounce("stream", Duration::from_millis(120));
    let end = end.await.unwrap();
    if !end.is_duplicate() {
        all.insert(end.id().to_string());
    }
    all.extend(added);
    eventually("all jobs to run", Duration::from_secs(30), async || {
        let runs = runs.lock().unwrap().clone();
        let ran: HashSet<_> = runs.iter().map(|(id, _)| id.clone()).collect();
        (ran == all).then_some(()).ok_or(format!("{runs:?}; added: {all:?}"))
    })
    .await;
    stop.send(()).unwrap();
    worker.await.unwrap().unwrap();
    let runs = runs.lock().unwrap().clone();
    assert_eq!(runs.len(), all.len(), "each job runs once: {runs:?}");
    let args: Vec<u32> = runs.iter().map(|(_, args)| *args).collect();
    assert!(args.contains(&7777), "{runs:?}");
    assert_eq!(args.iter().rfind(|args| **args != 7777), Some(&8888), "{runs:?}");
}
