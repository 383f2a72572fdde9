//! Whole lives of jobs in virtual time: a minimal worker over the in-memory transport, with a crash at
//! every point of its loop.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_client::Client;
use naq_core::retry::{Action, AttemptFacts, Outcome, Start, decide, decide_start};
use naq_core::testing::{DiePoint, FaultPlan, FaultyTransport, ManualClock, Op};
use naq_core::transport::{
    Delivery, Fact, Lookup, Place, Transport, TransportError, Written, stale,
};
use naq_core::wire::AttemptOutcome;
use naq_core::{
    Advice, AttemptRecord, Clock, DeadLetter, Envelope, ErrorKind, FinalRecord, JobState,
    QueueName, RetryPolicy, Timestamp,
};
use naq_memory::MemoryTransport;

const LEASE: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(86_400);

/// The attempts that ran, with their times.
type Runs = Arc<Mutex<Vec<(u32, Timestamp)>>>;

/// A worker that fetches, checks, runs, decides, writes and acks until the transport fails.
struct Worker {
    transport: Arc<dyn Transport>,
    clock: ManualClock,
    runs: Runs,
    /// The first attempt that succeeds.
    succeeds_at: u32,
}

impl Worker {
    async fn work(self) -> TransportError {
        loop {
            if let Err(err) = self.work_until_error().await {
                return err;
            }
        }
    }

    async fn work_until_error(&self) -> Result<(), TransportError> {
        let mut sub = self.transport.subscribe(&QueueName::default(), LEASE).await?;
        loop {
            for delivery in sub.fetch(1, 30 * DAY).await? {
                if delivery.suspect && self.is_stale(&delivery).await? {
                    delivery.handle.ack().await?;
                    continue;
                }
                let fact = self.attempt(&delivery);
                if self.transport.write(&fact).await? == Written::Stored {
                    delivery.handle.ack().await?;
                }
            }
        }
    }

    async fn is_stale(&self, delivery: &Delivery) -> Result<bool, TransportError> {
        let keys = [delivery.stored.key.clone()];
        let evidence = self.transport.evidence(&keys).await?;
        Ok(stale(&delivery.step(), delivery.stored.seq, &evidence[0]).is_some())
    }

    /// Runs one attempt, and returns the fact that follows from it.
    fn attempt(&self, delivery: &Delivery) -> Fact {
        let mut job = delivery.envelope().unwrap();
        // In these worlds a job is delivered again only because a worker died.
        job.crashes += delivery.delivered - 1;
        let now = self.clock.now();
        let first_started_at = *job.first_started_at.get_or_insert(now);
        let (policy, id, attempt) = (job.policy.clone(), job.id.clone(), job.attempt);
        let facts = AttemptFacts {
            job_id: &id,
            attempt,
            crashes: job.crashes,
            first_started_at,
            deadline: job.deadline,
            now,
        };
        let kind = &ErrorKind::TIMEOUT;
        let decision = match decide_start(&policy, &facts) {
            Start::Stop(decision) => decision,
            Start::Run => {
                self.runs.lock().unwrap().push((attempt, now));
                let outcome = match attempt >= self.succeeds_at {
                    true => Outcome::Completed,
                    false => Outcome::Failed { kind, advice: Advice::Policy },
                };
                decide(&policy, &facts, &outcome)
            }
        };
        job.record(AttemptRecord {
            ended_at: Some(now),
            rule: Some(decision.rule),
            ..AttemptRecord::new(attempt, AttemptOutcome::Failed)
        });
        match decision.action {
            Action::Complete => record(delivery, job, now),
            Action::Retry { at, .. } => {
                job.attempt += 1;
                job.due_at = Some(at);
                Fact::retry(&delivery.stored, &job, at).unwrap()
            }
            _ => {
                let letter = DeadLetter {
                    step: delivery.step(),
                    task: Some(job.task.clone()),
                    error_kind: kind.clone(),
                    message: "too late".into(),
                    rule: decision.rule,
                    reason: decision.reason(),
                    died_at: now,
                    content_type: Some(job.codec.content_type().into()),
                    body: job.encode().unwrap(),
                };
                Fact::dead(&delivery.stored, &letter)
            }
        }
    }
}

fn record(delivery: &Delivery, envelope: Envelope, finished_at: Timestamp) -> Fact {
    let record = FinalRecord { envelope, state: JobState::Completed, finished_at, result: None };
    Fact::record(&delivery.stored, &record).unwrap().unwrap()
}

struct World {
    clock: ManualClock,
    broker: MemoryTransport,
    client: Client,
    runs: Runs,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new();
        let broker = MemoryTransport::with_timer(Arc::new(clock.clone()));
        let client = Client::new(Arc::new(broker.clone())).clock(Arc::new(clock.clone()));
        Self { clock, broker, client, runs: Runs::default() }
    }

    fn worker(&self, transport: Arc<dyn Transport>, succeeds_at: u32) -> Worker {
        Worker { transport, clock: self.clock.clone(), runs: self.runs.clone(), succeeds_at }
    }
}

#[tokio::test]
async fn a_job_with_25_retries_lives_for_weeks() {
    let world = World::new();
    let policy: RetryPolicy =
        "exponential:1m,max_retries=25,max_delay=2d,jitter=equal".parse().unwrap();
    let job = world.client.enqueue_task("t", &()).unwrap().policy(&policy).await.unwrap();
    let worker = world.worker(Arc::new(world.broker.clone()), u32::MAX);
    let worker = tokio::spawn(worker.work());
    world.clock.advance(60 * DAY).await;
    worker.abort();

    let runs = world.runs.lock().unwrap().clone();
    assert_eq!(runs.len(), 26);
    let days = runs[25].1.since(runs[0].1).as_secs() / DAY.as_secs();
    assert!((14..=28).contains(&days), "{days} days");
    let report = job.report().await.unwrap();
    assert_eq!(report.state, JobState::Dead);
    let job = report.envelope.unwrap();
    assert_eq!((job.history.len(), job.attempt, job.crashes), (26, 26, 0));
    // Each attempt started exactly when it was due.
    for (before, (_, started)) in job.history.windows(2).zip(&runs[1..]) {
        assert!(*started > before[0].ended_at.unwrap());
        assert_eq!(before[1].ended_at, Some(*started));
    }
}

#[tokio::test]
async fn a_crash_at_any_point_loses_no_job_and_repeats_no_settled_attempt() {
    let ops = [Op::Fetch, Op::Evidence, Op::Record, Op::Retry, Op::Dead, Op::Ack];
    let points = ops.into_iter().flat_map(|op| [DiePoint::Before(op), DiePoint::After(op)]);
    let mut died = 0;
    for point in points {
        for nth in 1..=4 {
            // Succeeds at the third of four attempts, or never.
            for (succeeds_at, attempts, end) in [(3, 3, Place::Record), (9, 4, Place::Dead)] {
                let world = World::new();
                let job = world.client.enqueue_task("t", &()).unwrap();
                let job = job.retry_delay(Duration::from_secs(5)).await.unwrap();
                let plan = FaultPlan::new().die_at(point, nth);
                let doomed = Arc::new(FaultyTransport::new(world.broker.clone(), plan));
                let (first, second) = (
                    world.worker(doomed.clone(), succeeds_at),
                    world.worker(Arc::new(world.broker.clone()), succeeds_at),
                );
                let workers = tokio::spawn(async move {
                    first.work_until_error().await.unwrap_err();
                    second.work().await
                });
                world.clock.advance(Duration::from_secs(600)).await;
                workers.abort();

                let what = format!("{point}, time {nth}, success at {succeeds_at}");
                let key = naq_core::transport::JobKey {
                    queue: job.queue().clone(),
                    id: job.id().clone(),
                };
                let stands: Vec<Place> = world
                    .broker
                    .locate(&key)
                    .await
                    .unwrap()
                    .iter()
                    .map(|stored| stored.place)
                    .collect();
                assert_eq!(stands, [end], "{what}");
                // Only an attempt whose fact was not written may run again.
                let unwritten = doomed.died_at() == Some(point)
                    && matches!(point, DiePoint::Before(Op::Record | Op::Retry | Op::Dead));
                let ran: Vec<u32> = world.runs.lock().unwrap().iter().map(|run| run.0).collect();
                assert_eq!(ran.len(), attempts + usize::from(unwritten), "{what}: {ran:?}");
                assert!(ran.is_sorted(), "{what}: {ran:?}");
                died += u32::from(doomed.died_at().is_some());
            }
        }
    }
    assert!(died > 40, "only {died} of the planned crashes happened");
}

#[tokio::test]
async fn a_job_that_crashes_its_workers_is_poison() {
    let world = World::new();
    let job = world.client.enqueue_task("t", &()).unwrap().max_crashes(3).await.unwrap();
    for _ in 0..4 {
        // The worker crashes while it holds the job; the last one does not run it.
        let plan = FaultPlan::new().die_at(DiePoint::Before(Op::Record), 1);
        let doomed = Arc::new(FaultyTransport::new(world.broker.clone(), plan));
        let worker = tokio::spawn(world.worker(doomed.clone(), 1).work());
        world.clock.advance(LEASE + Duration::from_secs(1)).await;
        worker.abort();
    }
    let report = job.report().await.unwrap();
    assert_eq!(report.state, JobState::Dead);
    assert_eq!(report.dead.unwrap().rule, naq_core::retry::Rule::MaxCrashes);
    assert_eq!(report.envelope.unwrap().crashes, 3);
    assert_eq!(world.runs.lock().unwrap().len(), 3);
}
