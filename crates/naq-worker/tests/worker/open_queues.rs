//! Opening queues: all or none, and a worker can stop meanwhile. And leases that change later.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use naq_core::stats::StatsReport;
use naq_core::testing::{FaultPlan, FaultyTransport, ManualClock, Op};
use naq_core::transport::*;
use naq_core::wire::Nonce;
use naq_core::{Clock, JobId, JobState, QueueName, Timer, Timestamp, WorkerId};
use naq_memory::MemoryTransport;
use naq_worker::{Exit, WorkerError};

use crate::bench::{Bench, Do, LEASE, run, secs};

/// How long the queue `slow` takes to answer.
const SLOW: Duration = Duration::from_millis(80);

/// The in-memory broker, but it refuses the queue `refused`, never answers for `stuck`, answers late for
/// `slow`, and the leases of all other queues can change.
#[derive(Debug)]
pub(crate) struct FaultyQueues {
    inner: MemoryTransport,
    clock: ManualClock,
    lease_ms: Arc<AtomicU64>,
}

#[derive(Debug)]
struct OpenQueue {
    inner: Box<dyn Subscription>,
    lease_ms: Arc<AtomicU64>,
    /// For a queue that answers late.
    slow: Option<ManualClock>,
}

#[async_trait]
impl Consumer for FaultyQueues {
    async fn subscribe(
        &self,
        queue: &QueueName,
        lease: Duration,
    ) -> Result<Box<dyn Subscription>, TransportError> {
        match queue.as_str() {
            "refused" => {
                // The answer takes a while, in which other tasks run.
                for _ in 0..32 {
                    tokio::task::yield_now().await;
                }
                Err(TransportError::Permission { subject: "refused".into() })
            }
            "stuck" => std::future::pending().await,
            _ => {
                let inner = self.inner.subscribe(queue, lease).await?;
                let slow = (queue.as_str() == "slow").then(|| self.clock.clone());
                Ok(Box::new(OpenQueue { inner, lease_ms: self.lease_ms.clone(), slow }))
            }
        }
    }

    async fn has_job(&self, queue: &QueueName) -> Result<bool, TransportError> {
        self.inner.has_job(queue).await
    }
}

#[async_trait]
impl Subscription for OpenQueue {
    async fn fetch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        if let Some(clock) = self.slow.as_ref().filter(|_| max > 0) {
            clock.sleep_until(clock.now() + SLOW).await;
        }
        self.inner.fetch(max, wait).await
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms.load(Ordering::SeqCst))
    }

    async fn close(self: Box<Self>) -> Vec<Delivery> {
        self.inner.close().await
    }
}

/// All other calls go to the broker.
macro_rules! pass_on {
    ($($port:ident {
        $($call:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*
        $(=> $look:ident() -> $seen:ty;)?
    })*) => {$(
        #[async_trait]
        impl $port for FaultyQueues {
            $(async fn $call(&self, $($arg: $type),*) -> $answer {
                $port::$call(&self.inner, $($arg),*).await
            })*
            $(fn $look(&self) -> $seen {
                $port::$look(&self.inner)
            })?
        }
    )*};
}

pass_on! {
    Producer {
        publish(job: Submission) -> Result<Receipt, TransportError>;
        publish_many(jobs: Vec<Submission>) -> Vec<Result<Receipt, TransportError>>;
        publish_with_args(job: Submission, blob: &BlobRef, args: bytes::Bytes)
            -> Result<Receipt, TransportError>;
    }
    Settler {
        write(fact: &Fact) -> Result<Written, TransportError>;
        await_end(key: &JobKey, life: &Nonce) -> Result<Awaiting, TransportError>;
        => max_payload() -> usize;
    }
    Lookup {
        purged_at(keys: &[JobKey]) -> Result<Vec<Option<Timestamp>>, TransportError>;
        evidence(keys: &[JobKey]) -> Result<Vec<Vec<Evidence>>, TransportError>;
        locate(key: &JobKey) -> Result<Vec<Stored>, TransportError>;
        watch_end(key: &JobKey) -> Result<Box<dyn EndWatch>, TransportError>;
        find(id: &JobId) -> Result<Vec<QueueName>, TransportError>;
        queues() -> Result<Vec<QueueName>, TransportError>;
        queue_info(queue: &QueueName) -> Result<Option<QueueInfo>, TransportError>;
        dead_letters(queue: Option<&QueueName>, from: u64, limit: usize)
            -> Result<DeadPage, TransportError>;
        waiting_jobs(queue: &QueueName, from: u64, limit: usize)
            -> Result<WaitingPage, TransportError>;
        jobs(query: &JobsQuery) -> Result<JobsPage, TransportError>;
        broker() -> Result<BrokerInfo, TransportError>;
        streams() -> Result<Vec<StreamReport>, TransportError>;
        => is_connected() -> bool;
    }
    Operator {
        remove(stored: &Stored) -> Result<bool, TransportError>;
        release(stored: &Stored) -> Result<bool, TransportError>;
        reschedule(stored: &Stored, due_at: Timestamp) -> Result<bool, TransportError>;
        pause(queue: &QueueName, until: Timestamp) -> Result<(), TransportError>;
        resume(queue: &QueueName) -> Result<(), TransportError>;
        set_limit(queue: &QueueName, limit: Option<NonZeroU64>) -> Result<(), TransportError>;
        purge(queue: &QueueName) -> Result<u64, TransportError>;
        signal(signal: &Signal) -> Result<(), TransportError>;
        signals() -> Result<Box<dyn Signals>, TransportError>;
    }
    StateStore {
        state_get(keys: &[StateKey]) -> Result<Vec<Option<StateEntry>>, TransportError>;
        state_put(key: &StateKey, value: bytes::Bytes, expect: Expect, ttl: Option<Duration>)
            -> Result<Saved, TransportError>;
        state_remove(key: &StateKey, expect: Expect) -> Result<Saved, TransportError>;
        state_list(prefix: &StateKey, from: u64, limit: usize)
            -> Result<StatePage, TransportError>;
        state_watch(prefix: &StateKey) -> Result<Box<dyn StateWatch>, TransportError>;
    }
    Blobs {
        blob_put(job: &JobKey, blob: &BlobRef, data: bytes::Bytes, ttl: Duration)
            -> Result<(), TransportError>;
        blob_get(job: &JobKey, blob: &BlobRef) -> Result<Option<bytes::Bytes>, TransportError>;
        blob_remove(job: &JobKey, blob: &BlobRef) -> Result<(), TransportError>;
        blobs_kept(queue: &QueueName) -> Result<Vec<KeptBlob>, TransportError>;
        blob_stored_at(job: &JobKey, blob: &BlobRef) -> Result<Option<Timestamp>, TransportError>;
    }
    StatsStore {
        stats_put(report: &StatsReport) -> Result<(), TransportError>;
        stats_since(from: u64, limit: usize) -> Result<StatsPage, TransportError>;
    }
    Directory {
        heartbeat(worker: &WorkerInfo, ttl: Duration) -> Result<(), TransportError>;
        leave(worker: &WorkerId) -> Result<(), TransportError>;
        workers() -> Result<Vec<WorkerInfo>, TransportError>;
    }
}

pub(crate) fn faulty_queues(bench: &Bench) -> FaultyQueues {
    let millis = u64::try_from(LEASE.as_millis()).expect("short");
    let lease_ms = Arc::new(AtomicU64::new(millis));
    FaultyQueues { inner: bench.broker.clone(), clock: bench.clock.clone(), lease_ms }
}

#[tokio::test]
async fn a_worker_that_may_not_open_a_queue_has_taken_nothing_from_the_others() {
    let bench = Bench::new();
    bench.enqueue("job", [Do::Succeed]).await;
    let builder = bench.builder(Arc::new(faulty_queues(&bench))).queues(["default", "refused"]);
    let refused = builder.build().run(std::future::pending()).await;
    assert!(matches!(refused, Err(WorkerError::Queue { .. })), "{refused:?}");
    assert_eq!((bench.state("job").await, bench.seen.total()), (JobState::Pending, 0));
}

#[tokio::test]
async fn a_worker_stops_even_while_it_opens_a_queue() {
    let bench = Bench::new();
    bench.enqueue("job", [Do::Succeed]).await;
    let mut worker =
        run(bench.builder(Arc::new(faulty_queues(&bench))).queues(["default", "stuck"]));
    bench.pass(secs(1)).await;
    assert!(!worker.has_ended());
    worker.stop();
    bench.turn().await;
    assert!(worker.has_ended());
    assert_eq!(worker.exit().await, Exit::Drained);
    assert_eq!(bench.state("job").await, JobState::Pending);
}

#[tokio::test]
async fn a_worker_follows_a_lease_that_is_changed_at_the_broker() {
    let bench = Bench::new();
    let faulty_queues = faulty_queues(&bench);
    let lease_ms = faulty_queues.lease_ms.clone();
    let faulty = Arc::new(FaultyTransport::new(faulty_queues, FaultPlan::new()));
    let _worker = run(bench.builder(faulty.clone()).concurrency(2));
    bench.turn().await;
    bench.enqueue("job", [Do::Gate]).await;
    bench.pass(LEASE * 2).await;
    // A third of the old one is longer than all of the new one.
    lease_ms.store(3000, Ordering::SeqCst);
    bench.pass(secs(11)).await;
    let before = faulty.calls(Op::Renew);
    bench.pass(secs(10)).await;
    let renewals = faulty.calls(Op::Renew) - before;
    assert!((9..=12).contains(&renewals), "{renewals} renewals in ten seconds");
}
