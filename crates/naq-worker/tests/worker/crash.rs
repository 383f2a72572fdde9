//! The worker dies between any two steps of settle, and another takes over: nothing is lost, and
//! nothing that has finished runs again.

use naq_core::flow::{ListedRun, RunList};
use naq_core::testing::{DiePoint, Fault, FaultPlan, Op};
use naq_core::transport::{Consumer, Expect, Fact, Settler, StateStore};
use naq_core::{FinalRecord, JobState, QueueName, Timestamp, WorkerId};

use crate::bench::{Bench, Do, LEASE, Script, secs};

/// What happens to `script` when its worker dies at `point`.
async fn die(point: DiePoint, script: &[Do], ends: JobState, starts: u32) {
    let what = format!("{point} {script:?}");
    let bench = Bench::new();
    let (worker, faulty) = bench.start_faulty(FaultPlan::new().die_at(point, 1)).await;
    let job = bench.client.enqueue(Script(script.to_vec())).id("job").max_retries(1);
    job.await.expect("sent");
    bench.turn().await;
    assert_eq!(faulty.died_at(), Some(point), "{what}");
    worker.kill().await;

    let _second = bench.start().await;
    // Its lease ends, and then its retry comes, if there is one.
    bench.pass(LEASE + secs(60)).await;
    assert_eq!(bench.state("job").await, ends, "{what}");
    assert_eq!(bench.seen.starts("job"), starts, "{what}");
    assert_eq!(bench.left().await, 0, "{what}");
    // The job has one end, which does not change.
    bench.pass(LEASE + secs(60)).await;
    assert_eq!((bench.state("job").await, bench.seen.starts("job")), (ends, starts), "{what}");
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_wherever_the_worker_dies_in_settle() {
    let fail = || Do::Fail("Error".into());
    let outcomes = [
        (Op::Record, vec![Do::Succeed], JobState::Completed),
        (Op::Retry, vec![fail(), Do::Succeed], JobState::Completed),
        (Op::Retry, vec![Do::Snooze(30)], JobState::Completed),
        (Op::Record, vec![Do::Fatal], JobState::Dead),
        (Op::Dead, vec![Do::Fatal], JobState::Dead),
        (Op::Record, vec![Do::Cancel], JobState::Cancelled),
    ];
    for (op, script, ends) in outcomes {
        let starts = match script[0] {
            Do::Snooze(_) => 2,
            _ => script.len() as u32,
        };
        // The fact was not stored: the attempt in flight runs again. The snooze does not: it counts
        // its starts. A death does not: its record is stored before its letter.
        let over = op == Op::Dead || matches!(script[0], Do::Snooze(_));
        let again = if over { starts } else { starts + 1 };
        die(DiePoint::Before(op), &script, ends, again).await;
        for point in [DiePoint::After(op), DiePoint::Before(Op::Ack), DiePoint::After(Op::Ack)] {
            die(point, &script, ends, starts).await;
        }
    }
}

#[tokio::test]
async fn a_worker_that_dies_while_it_gives_back_costs_no_attempt() {
    for (point, crashes) in [
        (DiePoint::Before(Op::GiveBack), 1),
        (DiePoint::After(Op::GiveBack), 0),
        (DiePoint::Before(Op::Ack), 0),
        (DiePoint::After(Op::Ack), 0),
    ] {
        let bench = Bench::new();
        let (mut worker, faulty) = bench.start_faulty(FaultPlan::new().die_at(point, 1)).await;
        bench.enqueue("job", [Do::Gate]).await;
        worker.stop();
        bench.pass(secs(32)).await;
        assert_eq!(faulty.died_at(), Some(point));
        worker.kill().await;

        let _second = bench.start().await;
        bench.pass(LEASE + secs(1)).await;
        bench.seen.gate.notify_waiters();
        bench.turn().await;
        let report = bench.report("job").await;
        assert_eq!(report.state, JobState::Completed, "{point}");
        let job = report.envelope.expect("readable");
        assert_eq!((job.attempt, job.crashes), (1, crashes), "{point}");
        assert_eq!((bench.seen.starts("job"), bench.left().await), (2, 0), "{point}");
    }
}

#[tokio::test]
async fn a_crash_is_recorded_and_counts_as_no_attempt() {
    let bench = Bench::new();
    let worker = bench.start().await;
    bench.enqueue("job", [Do::Gate]).await;
    worker.kill().await;
    let _second = bench.start().await;
    bench.pass(LEASE).await;
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(bench.history("job").await, ["1:Crashed:-", "1:Completed:succeeded"]);
    let job = bench.report("job").await.envelope.expect("readable");
    assert_eq!((job.attempt, job.crashes), (1, 1));
}

#[tokio::test]
async fn a_job_that_kills_its_workers_is_poison_and_dies_without_being_run_again() {
    let bench = Bench::new();
    let mut worker = bench.start().await;
    bench.enqueue("job", [Do::Hang { heed: false }]).await;
    for death in 1..=3 {
        assert_eq!(bench.seen.starts("job"), death);
        worker.kill().await;
        worker = bench.start().await;
        bench.pass(LEASE).await;
    }
    let report = bench.report("job").await;
    assert_eq!((report.state, bench.seen.starts("job")), (JobState::Dead, 3));
    let dead = report.dead.expect("dead");
    assert_eq!((dead.error_kind.as_str(), dead.rule.as_str()), ("Crash", "max_crashes"));
    assert_eq!(
        bench.history("job").await,
        ["1:Crashed:-", "1:Crashed:-", "1:Crashed:-", "1:NotRun:max_crashes"]
    );
}

#[tokio::test]
async fn an_undecodable_message_is_not_lost_when_the_worker_dies_over_it() {
    for point in [
        DiePoint::Before(Op::Dead),
        DiePoint::After(Op::Dead),
        DiePoint::Before(Op::Ack),
        DiePoint::After(Op::Ack),
    ] {
        let bench = Bench::new();
        let (worker, faulty) = bench.start_faulty(FaultPlan::new().die_at(point, 1)).await;
        crate::malformed::publish(&bench, "bad", b"{", "application/json").await;
        assert_eq!(faulty.died_at(), Some(point));
        worker.kill().await;
        let _second = bench.start().await;
        bench.pass(LEASE + secs(1)).await;
        assert_eq!(bench.state("bad").await, JobState::Dead, "{point}");
        assert_eq!(bench.left().await, 0, "{point}");
    }
}

#[tokio::test]
async fn a_job_that_was_settled_while_it_waited_for_a_slot_is_not_run() {
    let bench = Bench::new();
    // Another worker has the job, and stops renewing.
    let queue = QueueName::new("a").expect("a name");
    let mut silent = bench.broker.subscribe(&queue, secs(2)).await.expect("opens");
    let job = bench.client.enqueue(Script(vec![Do::Succeed])).id("job").queue("a");
    job.await.expect("sent");
    let theirs = silent.fetch(1, secs(0)).await.expect("fetches").remove(0);
    // This worker gets the job, and has no free slot.
    let _worker = bench.start_with(|b| b.concurrency(1).queues(["a", "b"])).await;
    let busy = bench.client.enqueue(Script(vec![Do::Gate])).id("busy").queue("b");
    busy.await.expect("sent");
    bench.pass(secs(3)).await;
    assert_eq!(bench.seen.order(), ["busy"]);
    // The other worker was only slow.
    let record = FinalRecord {
        envelope: theirs.envelope().expect("readable"),
        state: JobState::Completed,
        finished_at: Timestamp::from_millis(0),
        result: None,
    };
    let fact = Fact::record(&theirs.stored, &record).expect("writes").expect("kept");
    bench.broker.write(&fact).await.expect("stored");
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert_eq!(bench.seen.order(), ["busy"]);
    assert_eq!((bench.state("job").await, bench.left().await), (JobState::Completed, 0));
}

/// Two workers have the delivery, and neither lists it when both look. The other one is a moment faster.
#[tokio::test]
async fn a_job_that_another_worker_begins_at_the_same_moment_does_not_start_here() {
    for other_lists in [false, true] {
        let bench = Bench::new();
        let worker = bench.start().await;
        bench.enqueue("job", [Do::Gate]).await;
        worker.kill().await;
        let (_second, faulty) = bench.start_faulty(FaultPlan::new()).await;
        bench.pass(LEASE - secs(1)).await;
        faulty.set_plan(FaultPlan::new().on(Op::RunList, 1, u32::MAX, Fault::Late));
        bench.pass(secs(1)).await;
        // The look at the lists goes on, and then the list with this job is under way.
        faulty.release_late();
        bench.turn().await;
        assert_eq!(bench.seen.starts("job"), 1);
        if other_lists {
            let stored = bench.report("job").await.stored;
            let run = ListedRun {
                job: stored.key.clone(),
                step: stored.step().to_string(),
                crashes: 1,
                started_at: None,
                task: None,
                origin: None,
            };
            let worker = WorkerId::new("other").expect("an id");
            let key = RunList::key(&worker, "process").expect("a key");
            let (queues, interval_ms) = (vec![stored.key.queue], 1_000);
            let list = RunList { worker, queues, interval_ms, runs: vec![run] };
            let put = bench.broker.state_put(&key, list.value(), Expect::Any, None);
            put.await.expect("stores");
        }
        faulty.release_late();
        bench.turn().await;
        assert_eq!(bench.seen.starts("job"), if other_lists { 1 } else { 2 });
    }
}

/// No list can be stored, so no worker can say that it runs a job.
#[tokio::test]
async fn a_job_that_is_delivered_again_in_a_full_store_runs_after_two_leases_and_counts_no_crash() {
    let bench = Bench::new();
    let worker = bench.start().await;
    bench.enqueue("job", [Do::Gate]).await;
    worker.kill().await;
    let (_second, faulty) = bench.start_faulty(FaultPlan::new()).await;
    bench.pass(LEASE - secs(1)).await;
    faulty.set_plan(FaultPlan::new().on(Op::RunList, 1, u32::MAX, Fault::StoreFull));
    bench.pass(secs(2)).await;
    assert_eq!(bench.seen.starts("job"), 1, "another worker may still run it");
    bench.pass(LEASE * 2 + secs(1)).await;
    assert_eq!(bench.seen.starts("job"), 2);
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    let report = bench.report("job").await;
    assert_eq!(report.state, JobState::Completed);
    assert_eq!(report.envelope.expect("readable").crashes, 0);
}
