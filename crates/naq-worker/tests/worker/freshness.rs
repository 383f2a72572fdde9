//! Evidence is as old as the question: what another worker stored before the start is seen.

use naq_core::testing::{Fault, FaultPlan, Op};
use naq_core::transport::{Fact, Operator, Producer, Settler, Submission};
use naq_core::wire::FinalRecord;
use naq_core::{Clock, JobState, QueueName, TaskName};

use crate::bench::{Bench, Do, Script, secs};

impl Bench {
    /// Another worker completes the job, and its ack is lost.
    async fn completed_elsewhere(&self, id: &str) {
        let stored = self.report(id).await.stored;
        let (envelope, state) = (stored.envelope().expect("a job"), JobState::Completed);
        let record = FinalRecord { envelope, state, finished_at: self.clock.now(), result: None };
        let fact = Fact::record(&stored, &record).expect("encodes").expect("is kept");
        self.broker.write(&fact).await.expect("stores");
    }

    async fn has_not_run(&self, id: &str) {
        self.turn().await;
        assert_eq!((self.seen.starts(id), self.state(id).await), (0, JobState::Completed));
        assert_eq!(self.left().await, 0, "it is acked");
    }
}

#[tokio::test]
async fn a_job_that_ends_while_each_look_up_is_under_way_does_not_start() {
    for late in 1..=2 {
        let bench = Bench::new();
        bench.enqueue("job", [Do::Succeed]).await;
        let plan = FaultPlan::new().on(Op::Evidence, 1, late, Fault::Late);
        let (_worker, faulty) = bench.start_faulty(plan).await;
        for _ in 1..late {
            bench.pass(secs(1)).await;
            faulty.release_late();
            bench.turn().await;
        }
        bench.completed_elsewhere("job").await;
        bench.pass(secs(1)).await;
        faulty.release_late();
        bench.has_not_run("job").await;
    }
}

#[tokio::test]
async fn a_job_whose_queue_is_purged_while_its_look_up_is_under_way_does_not_start() {
    let bench = Bench::new();
    bench.enqueue("job", [Do::Succeed]).await;
    let plan = FaultPlan::new().on(Op::Evidence, 1, 1, Fault::Late);
    let (_worker, faulty) = bench.start_faulty(plan).await;
    assert_eq!(bench.broker.purge(&QueueName::default()).await.expect("purged"), 1);
    bench.pass(secs(1)).await;
    faulty.release_late();
    bench.turn().await;
    assert_eq!((bench.seen.starts("job"), bench.left().await), (0, 0));
}

#[tokio::test]
async fn a_job_that_is_purged_while_its_look_up_is_under_way_does_not_start() {
    let bench = Bench::new();
    bench.enqueue("job", [Do::Succeed]).await;
    let plan = FaultPlan::new().on(Op::Evidence, 1, 1, Fault::Late);
    let (_worker, faulty) = bench.start_faulty(plan).await;
    let task = TaskName::new("script").expect("a task");
    let purged = bench.client.purge_task(&QueueName::default(), &task).await.expect("purged");
    assert_eq!(purged, 1);
    bench.pass(secs(1)).await;
    faulty.release_late();
    bench.turn().await;
    assert_eq!((bench.seen.starts("job"), bench.left().await), (0, 0));
    // Its id is free.
    bench.enqueue("job", [Do::Succeed]).await;
    bench.pass(secs(1)).await;
    bench.turn().await;
    assert_eq!((bench.seen.starts("job"), bench.state("job").await), (1, JobState::Completed));
}

#[tokio::test]
async fn a_broker_that_always_answers_late_delays_a_job_and_does_not_stop_it() {
    let bench = Bench::new();
    bench.enqueue("job", [Do::Succeed]).await;
    let plan = FaultPlan::new().on(Op::Evidence, 1, u32::MAX, Fault::Late);
    let (_worker, faulty) = bench.start_faulty(plan).await;
    for _ in 0..5 {
        bench.pass(secs(1)).await;
        faulty.release_late();
        bench.turn().await;
    }
    assert_eq!((bench.seen.starts("job"), bench.state("job").await), (1, JobState::Completed));
}

#[tokio::test]
async fn a_job_that_ends_while_a_gate_answers_late_does_not_start() {
    let bench = Bench::new();
    let job = bench.client.enqueue(Script(vec![Do::Succeed])).id("job").concurrency_key("key", 1);
    job.await.expect("sent");
    let plan = FaultPlan::new().on(Op::State, 1, 1, Fault::Late);
    let (_worker, faulty) = bench.start_faulty(plan).await;
    assert_eq!(faulty.calls(Op::State), 1, "the gate takes a slot");
    bench.completed_elsewhere("job").await;
    bench.pass(secs(1)).await;
    faulty.release_late();
    bench.has_not_run("job").await;
}

#[tokio::test]
async fn a_job_that_waits_for_a_slot_over_a_lost_connection_is_looked_up_before_it_starts() {
    for lost in [false, true] {
        let bench = Bench::new();
        let faulty =
            naq_core::testing::FaultyTransport::new(bench.broker.clone(), FaultPlan::new());
        let faulty = std::sync::Arc::new(faulty);
        let builder = bench.builder(faulty.clone()).concurrency(1).queues(["default", "other"]);
        let _worker = crate::bench::run(builder);
        bench.turn().await;
        // Both queues ask for the one free slot; what arrives second has to wait.
        for (id, script) in [("default", Do::Gate), ("other", Do::Succeed)] {
            let job = bench.client.enqueue(Script(vec![script])).id(id).queue(id);
            job.await.expect("sent");
        }
        bench.turn().await;
        assert_eq!(bench.state("other").await, JobState::Running);
        if lost {
            faulty.cut();
            bench.turn().await;
            bench.completed_elsewhere("other").await;
            faulty.mend();
        }
        bench.pass(secs(1)).await;
        bench.seen.gate.notify_one();
        bench.turn().await;
        assert_eq!(bench.seen.starts("other"), u32::from(!lost));
        assert_eq!((bench.state("other").await, bench.left().await), (JobState::Completed, 0));
    }
}

#[tokio::test]
async fn one_look_serves_many_jobs_that_start_after_each_other() {
    const JOBS: usize = 12;
    let bench = Bench::new();
    let faulty = naq_core::testing::FaultyTransport::new(bench.broker.clone(), FaultPlan::new());
    let faulty = std::sync::Arc::new(faulty);
    let builder = bench.builder(faulty.clone()).concurrency(JOBS).queues(["default", "other"]);
    let _worker = crate::bench::run(builder);
    bench.turn().await;
    // Both queues ask for the free slots; the jobs of the second one have to wait.
    for (queue, script) in [("default", Do::Gate), ("other", Do::Succeed)] {
        for n in 0..JOBS {
            let job = bench.client.enqueue(Script(vec![script.clone()])).id(format!("{queue}-{n}"));
            job.queue(queue).await.expect("sent");
        }
    }
    bench.turn().await;
    assert_eq!(bench.seen.total(), JOBS);
    faulty.cut();
    bench.turn().await;
    faulty.mend();
    bench.pass(secs(1)).await;
    let before = faulty.calls(Op::Evidence);
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!((bench.seen.total(), bench.left().await), (2 * JOBS, 0));
    let looks = faulty.calls(Op::Evidence) - before;
    assert!((1..=JOBS as u32 / 2).contains(&looks), "{looks} looks for {JOBS} jobs");
}

/// A worker was taken for gone, and a second one stored the job again, with a crash. Then the first one came back
/// and ended the job.
#[tokio::test]
async fn a_job_with_crashes_that_its_first_worker_has_ended_after_all_does_not_start() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let job = bench.client.enqueue(Script(vec![Do::Succeed])).id("job").delay(secs(600));
    job.await.expect("sent");
    let stored = bench.report("job").await.stored;
    let mut again = stored.envelope().expect("a job");
    again.crashes = 1;
    let due_at = bench.clock.now() + secs(5);
    again.due_at = Some(due_at);
    bench.completed_elsewhere("job").await;
    bench.broker.remove(&stored).await.expect("removed");
    let submission = Submission {
        key: stored.key.clone(),
        due_at: Some(due_at),
        dedup: "again".into(),
        unique: false,
        message: again.to_message().expect("encodes"),
    };
    bench.broker.publish(submission).await.expect("stored");
    bench.pass(secs(6)).await;
    bench.has_not_run("job").await;
}

/// Another worker may have the job by now. A second message of it would run once more.
#[tokio::test]
async fn a_job_that_waits_for_a_slot_over_a_lost_connection_is_not_given_back() {
    for lost in [false, true] {
        let bench = Bench::new();
        let faulty =
            naq_core::testing::FaultyTransport::new(bench.broker.clone(), FaultPlan::new());
        let faulty = std::sync::Arc::new(faulty);
        let builder = bench.builder(faulty.clone()).concurrency(1).queues(["default", "other"]);
        let mut worker = crate::bench::run(builder);
        bench.turn().await;
        for (id, script) in [("default", Do::Gate), ("other", Do::Succeed)] {
            let job = bench.client.enqueue(Script(vec![script])).id(id).queue(id);
            job.await.expect("sent");
        }
        bench.turn().await;
        if lost {
            faulty.cut();
            bench.turn().await;
            faulty.mend();
            bench.turn().await;
        }
        worker.stop();
        bench.turn().await;
        assert_eq!(faulty.calls(Op::GiveBack), u32::from(!lost));
        assert_eq!((bench.seen.starts("other"), bench.left().await), (0, 2));
    }
}
