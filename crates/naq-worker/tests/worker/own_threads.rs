//! Handlers on threads of their own, in real time.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

use naq_client::{Client, JobReport};
use naq_core::{Clock, Failure, JobId, JobState, Payload, SystemClock};
use naq_memory::MemoryTransport;
use naq_worker::{Context, Exit, Registry, Worker};
use tokio::sync::oneshot;

/// Asks again until `ready`, or fails after a minute.
async fn eventually(client: &Client, id: &JobId, ready: impl Fn(&JobReport) -> bool) -> JobReport {
    let patience = Duration::from_secs(60);
    let asking = async {
        loop {
            let report = client.job(id, None).await.expect("a job");
            if ready(&report) {
                return report;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(patience, asking).await.expect("it never came to that")
}

#[derive(Clone)]
struct Gate {
    starts: Arc<AtomicU32>,
    open: Arc<AtomicBool>,
    /// Every handler thread is in here at once.
    all_in: Arc<Barrier>,
}

/// Blocks its thread, as no async function should.
async fn block(_: Payload, cx: Context<Gate>) -> Result<(), Failure> {
    let gate = cx.state();
    gate.starts.fetch_add(1, Ordering::SeqCst);
    gate.all_in.wait();
    while !gate.open.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    Ok(())
}

#[tokio::test]
async fn handlers_that_block_every_thread_starve_no_renewal() {
    const THREADS: usize = 2;
    let client = Client::new(Arc::new(MemoryTransport::new()));
    let gate = Gate {
        starts: Arc::default(),
        open: Arc::default(),
        all_in: Arc::new(Barrier::new(THREADS + 1)),
    };
    let registry = Registry::with_state(gate.clone()).raw("block", block);
    let worker = Worker::builder(client.clone(), registry)
        .handler_threads(THREADS)
        .lease(Duration::from_secs(1))
        .build();
    let (stop, asked) = oneshot::channel::<()>();
    let worker = tokio::spawn(worker.run(async { drop(asked.await) }));
    let mut ids = Vec::new();
    for _ in 0..THREADS {
        let job = client.enqueue_task("block", &()).expect("a name").await.expect("sent");
        ids.push(job.id().clone());
    }
    let all_in = gate.all_in.clone();
    tokio::task::spawn_blocking(move || all_in.wait()).await.expect("all threads are blocked");

    // Three leases pass by the broker's clock: a probe in another queue is due then.
    let probe = client.enqueue_task("probe", &()).expect("a name").queue("probe");
    let probe = probe.delay(Duration::from_secs(3)).await.expect("sent");
    eventually(&client, probe.id(), |r| r.state == JobState::Pending).await;
    for id in &ids {
        assert_eq!(client.job(id, None).await.expect("a job").state, JobState::Running);
    }
    gate.open.store(true, Ordering::SeqCst);
    for id in &ids {
        let report = eventually(&client, id, |r| r.state.is_final()).await;
        let job = report.envelope.expect("readable");
        assert_eq!((report.state, job.crashes, job.history.len()), (JobState::Completed, 0, 1));
    }
    assert_eq!(gate.starts.load(Ordering::SeqCst) as usize, THREADS);
    stop.send(()).expect("it runs");
    assert_eq!(worker.await.expect("no panic").expect("no error"), Exit::Drained);
}

/// Signals that the first attempt has started, and what it waits for.
type Stuck = Arc<Mutex<Option<(oneshot::Sender<()>, mpsc::Receiver<()>)>>>;

fn stuck(_: crate::bench::Script, cx: Context<Stuck>) -> Result<String, Failure> {
    let first = cx.state().lock().expect("not poisoned").take();
    if let Some((started, release)) = first {
        started.send(()).expect("the test waits");
        let _ = release.recv();
    }
    Ok(format!("{cx}"))
}

#[tokio::test]
async fn a_thread_that_never_returns_does_not_keep_the_worker_from_giving_its_job_back() {
    let client = Client::new(Arc::new(MemoryTransport::new()));
    let (_keep, release) = mpsc::channel();
    let (starts, started) = oneshot::channel();
    let state: Stuck = Arc::new(Mutex::new(Some((starts, release))));
    let registry = Registry::with_state(state).blocking(stuck);
    let worker = |registry| {
        Worker::builder(client.clone(), registry).shutdown_timeout(Duration::ZERO).build()
    };
    let (stop, asked) = oneshot::channel::<()>();
    let first = tokio::spawn(worker(registry.clone()).run(async { drop(asked.await) }));
    let job = client.enqueue(crate::bench::Script(Vec::new())).await.expect("sent");
    started.await.expect("the handler begins");
    stop.send(()).expect("it runs");
    assert_eq!(first.await.expect("no panic").expect("no error"), Exit::Drained);
    let given_back = client.job(job.id(), None).await.expect("a job");
    assert_eq!(given_back.state, JobState::Pending);

    let (_stop, asked) = oneshot::channel::<()>();
    let _second = tokio::spawn(worker(registry).run(async { drop(asked.await) }));
    let done = eventually(&client, job.id(), |r| r.state.is_final()).await;
    let envelope = done.envelope.expect("readable");
    assert_eq!((done.state, envelope.attempt, envelope.crashes), (JobState::Completed, 1, 0));
}

#[tokio::test]
async fn every_slot_has_a_thread_for_a_blocking_handler() {
    const SLOTS: usize = 520;
    fn meet(_: crate::bench::Script, cx: Context<Arc<Barrier>>) -> Result<String, Failure> {
        cx.state().wait();
        Ok("all are here".into())
    }
    let client = Client::new(Arc::new(MemoryTransport::new()));
    let registry = Registry::with_state(Arc::new(Barrier::new(SLOTS))).blocking(meet);
    let worker = Worker::builder(client.clone(), registry).concurrency(SLOTS).build();
    let _worker = tokio::spawn(worker.run(std::future::pending()));
    let jobs = (0..SLOTS).map(|_| client.enqueue(crate::bench::Script(Vec::new())).prepare());
    let jobs: Vec<_> = jobs.collect::<Result<_, _>>().expect("jobs");
    for job in client.enqueue_many(jobs).await {
        eventually(&client, job.expect("sent").id(), |r| r.state == JobState::Completed).await;
    }
}

#[tokio::test]
async fn a_panic_in_a_blocking_handler_is_a_failed_attempt() {
    fn panics(_: crate::bench::Script, _: Context) -> Result<String, Failure> {
        panic!("in a thread")
    }
    let client = Client::new(Arc::new(MemoryTransport::new()));
    let worker = Worker::builder(client.clone(), Registry::new().blocking(panics)).build();
    let _worker = tokio::spawn(worker.run(std::future::pending()));
    let job = client.enqueue(crate::bench::Script(Vec::new())).max_retries(0);
    let job = job.await.expect("sent");
    let report = eventually(&client, job.id(), |r| r.state.is_final()).await;
    let dead = report.dead.expect("dead");
    assert_eq!((dead.error_kind.as_str(), dead.message.as_str()), ("Panic", "in a thread"));
}

#[tokio::test]
async fn the_history_says_which_handler_was_beyond_its_timeout_and_could_not_be_stopped() {
    let client = Client::new(Arc::new(MemoryTransport::new()));
    let (release, released) = mpsc::channel();
    let (starts, _started) = oneshot::channel();
    let state: Stuck = Arc::new(Mutex::new(Some((starts, released))));
    // It blocks the thread of the runtime until its timeout is over.
    let late = async |_: Payload, _: Context<Stuck>| {
        let until = SystemClock.now() + Duration::from_millis(50);
        while SystemClock.now() < until {
            std::hint::spin_loop();
        }
        Ok::<_, Failure>(())
    };
    let registry = Registry::with_state(state).blocking(stuck).raw("late", late);
    let worker = Worker::builder(client.clone(), registry).build();
    let _worker = tokio::spawn(worker.run(std::future::pending()));
    let limit = Duration::from_millis(1);
    let last = |report: JobReport| report.envelope.expect("readable").history.pop().expect("ran");

    let thread = client.enqueue(crate::bench::Script(Vec::new())).timeout(limit).max_retries(0);
    let thread = thread.await.expect("sent");
    let record = last(eventually(&client, thread.id(), |r| r.state.is_final()).await);
    let message = record.message.expect("an error");
    assert!(message.contains("1ms; its thread cannot be stopped, and may still run"), "{message}");
    drop(release);

    let late = client.enqueue_task("late", &()).expect("a task").timeout(limit);
    let late = late.await.expect("sent");
    let report = eventually(&client, late.id(), |r| r.state.is_final()).await;
    assert_eq!(report.state, JobState::Completed);
    let reason = last(report).reason.expect("a reason");
    assert!(reason.contains("longer than its timeout, 1ms"), "{reason}");
}

#[tokio::test]
async fn a_worker_that_is_dropped_inside_async_code_does_not_panic() {
    let client = Client::new(Arc::new(MemoryTransport::new()));
    let worker = Worker::builder(client, Registry::new()).build();
    let running = tokio::spawn(worker.run(std::future::pending()));
    tokio::task::yield_now().await;
    running.abort();
    assert!(running.await.expect_err("aborted").is_cancelled());
}
