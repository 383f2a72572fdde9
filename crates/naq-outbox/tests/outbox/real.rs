//! A real broker, real workers, and relays whose tasks are ended at random places.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_client::Client;
use naq_core::{Failure, Job, QueueName};
use naq_nats::{NatsConfig, NatsTransport};
use naq_outbox::{Outbox, OutboxTable, Relay, Relayed, RowState, in_order};
use naq_testing::{NatsServer, eventually};
use naq_worker::{Context, Registry, Worker};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::database::{TestDatabase, on_both};

on_both!(
    three_relays_that_die_again_and_again_publish_each_job_once_and_each_key_in_order,
    a_broker_that_is_killed_and_comes_back_has_each_job_once,
);

const ROWS: u32 = 2_000;
const KEYS: u32 = 40;
const PATIENCE: Duration = Duration::from_secs(100);

#[derive(Debug, Serialize, Deserialize)]
struct Count(u32);

impl Job for Count {
    const NAME: &'static str = "count";
    type Output = ();
}

type Runs = Arc<Mutex<HashMap<u32, u32>>>;

async fn count(job: Count, cx: Context<Runs>) -> Result<(), Failure> {
    *cx.state().lock().unwrap().entry(job.0).or_default() += 1;
    Ok(())
}

async fn client(server: &NatsServer) -> Client {
    Client::new(Arc::new(NatsTransport::connect(NatsConfig::new(server.url())).await.unwrap()))
}

/// A running relay or worker.
struct Running<T> {
    task: JoinHandle<T>,
    stop: oneshot::Sender<()>,
}

impl<T> Running<T> {
    async fn stop(self) -> T {
        self.stop.send(()).unwrap();
        self.task.await.unwrap()
    }
}

fn start_relay<DB: TestDatabase>(pool: &sqlx::Pool<DB>, client: Client) -> Running<Relayed> {
    let relay = Relay::new(pool.clone(), client).batch(40).poll_every(Duration::from_millis(10));
    let relay = relay.lease(Duration::from_secs(10));
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move { relay.run(async { drop(stopped.await) }).await.unwrap() });
    Running { task, stop }
}

fn start_worker(client: Client, runs: Runs) -> Running<()> {
    let registry = Registry::with_state(runs).task(count);
    let worker = Worker::builder(client, registry).queues(["counted"]).concurrency(50);
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = worker.chores(false).build().run(async { drop(stopped.await) });
    let task = tokio::spawn(async move {
        worker.await.unwrap();
    });
    Running { task, stop }
}

async fn all_published<DB: TestDatabase>(table: &OutboxTable<DB>, rows: u32) {
    eventually("all rows to be published", PATIENCE, async || {
        let published = table.count(RowState::Published).await.unwrap();
        (published == u64::from(rows)).then_some(()).ok_or(published)
    })
    .await;
}

async fn all_run(runs: &Runs, jobs: u32) {
    eventually("all jobs to run", PATIENCE, async || {
        let seen = runs.lock().unwrap().len();
        (seen == jobs as usize).then_some(()).ok_or(seen)
    })
    .await;
}

async fn three_relays_that_die_again_and_again_publish_each_job_once_and_each_key_in_order<
    DB: TestDatabase,
>() {
    let server = NatsServer::start().unwrap();
    let (_home, pool) = DB::open().await;
    let table = OutboxTable::new(pool.clone());
    table.create().await.unwrap();
    let client = client(&server).await;
    let outbox = Outbox::<DB>::new(client.clone());
    let runs = Runs::default();
    let worker = start_worker(client.clone(), runs.clone());
    let mut relays: Vec<_> = (0..3).map(|_| start_relay(&pool, client.clone())).collect();
    for page in 0..20 {
        let mut tx = pool.begin().await.unwrap();
        for n in page * ROWS / 20..(page + 1) * ROWS / 20 {
            let job = client.enqueue(Count(n));
            match n % 2 {
                0 => outbox.enqueue(&mut tx, job.queue("counted")).await.unwrap(),
                _ => {
                    let job = in_order(format!("key {}", n % KEYS), job.queue("ordered"));
                    outbox.enqueue(&mut tx, job).await.unwrap()
                }
            };
        }
        tx.commit().await.unwrap();
        // A dead relay leaves its rows until its lease ends.
        if page % 3 == 2 {
            let dead = std::mem::replace(
                &mut relays[page as usize % 3],
                start_relay(&pool, client.clone()),
            );
            dead.task.abort();
            assert!(dead.task.await.unwrap_err().is_cancelled());
        }
    }
    all_published(&table, ROWS).await;
    for relay in relays {
        relay.stop().await;
    }
    all_run(&runs, ROWS / 2).await;
    worker.stop().await;

    let twice: Vec<_> = runs.lock().unwrap().clone().into_iter().filter(|(_, n)| *n > 1).collect();
    assert!(twice.is_empty(), "jobs that ran more than once: {twice:?}");
    let lease = Duration::from_secs(60);
    let queue = QueueName::new("ordered").unwrap();
    let mut queue = client.transport().subscribe(&queue, lease).await.unwrap();
    let mut stored = Vec::new();
    while stored.len() < ROWS as usize / 2 {
        for delivery in queue.fetch(500, Duration::from_secs(10)).await.unwrap() {
            let args: Count = delivery.envelope().unwrap().args.decode().unwrap();
            stored.push((delivery.stored.seq, args.0));
        }
    }
    stored.sort_unstable();
    assert!(queue.fetch(1, Duration::from_millis(300)).await.unwrap().is_empty());
    let mut last = HashMap::new();
    for (_, n) in stored {
        if let Some(before) = last.insert(n % KEYS, n) {
            assert!(before < n, "{n} was published after {before}");
        }
    }
}

async fn a_broker_that_is_killed_and_comes_back_has_each_job_once<DB: TestDatabase>() {
    let mut server = NatsServer::start().unwrap();
    let (_home, pool) = DB::open().await;
    let table = OutboxTable::new(pool.clone());
    table.create().await.unwrap();
    let client = client(&server).await;
    let outbox = Outbox::<DB>::new(client.clone());
    let runs = Runs::default();
    let relay = start_relay(&pool, client.clone());
    let worker = start_worker(client.clone(), runs.clone());
    for page in 0..10 {
        let jobs =
            (page * 100..(page + 1) * 100).map(|n| client.enqueue(Count(n)).queue("counted"));
        let mut tx = pool.begin().await.unwrap();
        // It needs no broker.
        outbox.enqueue_all(&mut tx, jobs).await.unwrap();
        tx.commit().await.unwrap();
        match page {
            2 => server.kill().unwrap(),
            6 => server.restart().unwrap(),
            _ => {}
        }
    }
    all_published(&table, 1_000).await;
    relay.stop().await;
    all_run(&runs, 1_000).await;
    worker.stop().await;
    // A job that was running when the broker died may run again; none is stored twice. So most ran once.
    assert_eq!(table.count(RowState::Failed).await.unwrap(), 0);
    let again: u32 = runs.lock().unwrap().values().map(|n| n - 1).sum();
    assert!(again <= 50, "{again} jobs ran again, and only 50 can have been running");
}
