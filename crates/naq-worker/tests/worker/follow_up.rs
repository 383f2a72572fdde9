//! The follow-up of a dead job: exactly one, wherever the worker dies.

use std::sync::{Arc, Mutex};

use naq_core::testing::{DiePoint, Fault, FaultPlan, FaultyTransport, Op};
use naq_core::{Failure, JobState, RetryPolicy, flow::FollowUp};
use naq_worker::{Registry, TaskOptions};
use serde_json::Value;

use crate::bench::{Bench, Do, LEASE, Script, Seen, registry, run, script, secs};

/// The follow-ups that ran, with their arguments.
#[derive(Debug, Clone, Default)]
struct Followed(Arc<Mutex<Vec<Value>>>);

impl Followed {
    fn all(&self) -> Vec<Value> {
        self.0.lock().expect("not poisoned").clone()
    }

    fn listen(&self, registry: Registry<Arc<Seen>>) -> Registry<Arc<Seen>> {
        let followed = self.0.clone();
        registry.raw("refund", move |told: Value, _| {
            followed.lock().expect("not poisoned").push(told);
            async { Ok::<_, Failure>(()) }
        })
    }
}

fn fail() -> Do {
    Do::Fail("ConnectionError".into())
}

#[tokio::test]
async fn a_follow_up_knows_the_death_and_has_the_policy_that_was_set_for_it() {
    let bench = Bench::new();
    let followed = Followed::default();
    let registry = followed.listen(registry(&bench.seen));
    let worker = bench.builder_of(Arc::new(bench.broker.clone()), registry);
    let _worker = run(worker.queues(["default", "money"]));
    let refund = FollowUp::new("refund").queue("money").policy(RetryPolicy::aggressive());
    let job = bench.client.enqueue(Script(vec![fail(), Do::Fatal])).id("job");
    job.on_exhausted_job(refund).traceparent("00-a-b-01").await.expect("sent");
    bench.turn().await;
    assert_eq!(bench.state("job").await, JobState::Retrying);
    assert!(followed.all().is_empty(), "a retry is no death");
    bench.pass(secs(5)).await;
    let [told] = &followed.all()[..] else { panic!("one follows") };
    assert_eq!(told["args"], serde_json::json!([{"Fail": "ConnectionError"}, "Fatal"]));
    for (field, value) in [
        ("job", "job"),
        ("task", "script"),
        ("queue", "default"),
        ("error_kind", "ValueError"),
        ("message", "never again"),
        ("rule", "fatal"),
    ] {
        assert_eq!(told[field], value);
    }
    assert_eq!(told["attempts"], 2);
    let life = bench.report("job").await.envelope.expect("readable").nonce;
    let follower = bench.report(&format!("exhausted-default-job-{life}")).await;
    assert_eq!((follower.state, follower.key.queue.as_str()), (JobState::Completed, "money"));
    let follower = follower.envelope.expect("readable");
    assert_eq!(follower.policy, RetryPolicy::aggressive());
    assert_eq!(follower.traceparent.as_deref(), Some("00-a-b-01"));
}

#[tokio::test]
async fn a_task_names_the_follow_up_unless_its_job_does() {
    let bench = Bench::new();
    let followed = Followed::default();
    let options = TaskOptions::new().on_exhausted_job("nobody-knows");
    let registry = Registry::with_state(bench.seen.clone()).task_with(script, options);
    let over = Arc::new(bench.broker.clone());
    let _worker = run(bench.builder_of(over, followed.listen(registry)));
    bench.enqueue("of-task", [Do::Fatal]).await;
    let life = bench.report("of-task").await.envelope.expect("readable").nonce;
    let follower = bench.report(&format!("exhausted-default-of-task-{life}")).await;
    assert_eq!(follower.envelope.expect("readable").task.as_str(), "nobody-knows");
    let job = bench.client.enqueue(Script(vec![Do::Fatal])).id("of-job");
    job.on_exhausted_job("refund").await.expect("sent");
    bench.turn().await;
    assert_eq!(followed.all().len(), 1);
}

#[tokio::test]
async fn an_end_that_is_no_death_has_no_follow_up() {
    let bench = Bench::new();
    let followed = Followed::default();
    let over = Arc::new(bench.broker.clone());
    let _worker = run(bench.builder_of(over, followed.listen(registry(&bench.seen))));
    for (id, line) in [("a", Do::Succeed), ("b", Do::Cancel), ("c", Do::Snooze(1))] {
        let job = bench.client.enqueue(Script(vec![line])).id(id).on_exhausted_job("refund");
        job.await.expect("sent");
        bench.pass(secs(1)).await;
    }
    assert_eq!((bench.left().await, followed.all().len()), (0, 0));
}

#[tokio::test]
async fn exactly_one_follow_up_is_enqueued_wherever_the_worker_dies() {
    for op in [Op::Record, Op::Dead, Op::Publish, Op::Ack] {
        for point in [DiePoint::Before(op), DiePoint::After(op)] {
            let (bench, followed) = (Bench::new(), Followed::default());
            let plan = FaultPlan::new().die_at(point, 1);
            let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
            let worker = run(bench.builder_of(faulty.clone(), registry(&bench.seen)));
            let job = bench.client.enqueue(Script(vec![Do::Fatal])).id("job");
            let refund = FollowUp::new("refund").queue("money");
            job.on_exhausted_job(refund).await.expect("sent");
            bench.turn().await;
            assert_eq!(faulty.died_at(), Some(point));
            worker.kill().await;

            let another = || {
                let registry = followed.listen(registry(&bench.seen));
                let over = Arc::new(bench.broker.clone());
                run(bench.builder_of(over, registry).queues(["default", "money"]))
            };
            let second = another();
            bench.pass(LEASE + secs(1)).await;
            assert_eq!(followed.all().len(), 1, "{point}");
            assert_eq!((bench.state("job").await, bench.left().await), (JobState::Dead, 0));
            second.kill().await;
            let _third = another();
            bench.pass(LEASE + secs(1)).await;
            assert_eq!(followed.all().len(), 1, "{point}");
        }
    }
}

#[tokio::test]
async fn a_follow_up_that_has_ended_is_not_enqueued_again_after_the_brokers_dedup_window() {
    let (bench, followed) = (Bench::new(), Followed::default());
    let plan = FaultPlan::new().die_at(DiePoint::Before(Op::Ack), 1);
    let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
    let worker = run(bench.builder_of(faulty, registry(&bench.seen)));
    let job = bench.client.enqueue(Script(vec![Do::Fatal])).id("job");
    job.on_exhausted_job("refund@money").await.expect("sent");
    bench.turn().await;
    worker.kill().await;
    // Another worker runs the follow-up, but not the other jobs.
    let over = || Arc::new(bench.broker.clone());
    let money = bench.builder_of(over(), followed.listen(registry(&bench.seen))).queue("money");
    let money = run(money);
    bench.pass(secs(10 * 60)).await;
    assert_eq!(followed.all().len(), 1);
    money.kill().await;
    let both = bench.builder_of(over(), followed.listen(registry(&bench.seen)));
    let _both = run(both.queues(["default", "money"]));
    bench.pass(LEASE).await;
    assert_eq!((followed.all().len(), bench.left().await), (1, 0));
}

#[tokio::test]
async fn a_follow_up_is_enqueued_once_even_if_the_answer_is_lost() {
    for fault in [Fault::Timeout, Fault::Unreachable] {
        let (bench, followed) = (Bench::new(), Followed::default());
        let plan = FaultPlan::new().on(Op::Publish, 1, 3, fault);
        let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
        let _worker = run(bench.builder_of(faulty, followed.listen(registry(&bench.seen))));
        let job = bench.client.enqueue(Script(vec![Do::Fatal])).id("job");
        job.on_exhausted_job("refund").await.expect("sent");
        bench.pass(secs(9)).await;
        assert_eq!((followed.all().len(), bench.left().await), (1, 0), "{fault:?}");
    }
}

#[tokio::test]
async fn a_requeued_job_that_dies_again_has_another_follow_up() {
    let (bench, followed) = (Bench::new(), Followed::default());
    let over = Arc::new(bench.broker.clone());
    let _worker = run(bench.builder_of(over, followed.listen(registry(&bench.seen))));
    let job = bench.client.enqueue(Script(vec![Do::Fatal])).id("job");
    job.on_exhausted_job("refund").await.expect("sent");
    bench.turn().await;
    let letter = bench.report("job").await.stored;
    bench.client.requeue(&letter, None).await.expect("requeued");
    bench.turn().await;
    assert_eq!((bench.seen.starts("job"), followed.all().len()), (2, 2));
}

#[tokio::test]
async fn a_follow_up_that_the_broker_refuses_holds_up_nothing_and_the_letter_says_so() {
    let bench = Bench::new();
    // As for a worker without the right to write to the queue of the follow-up.
    let plan = FaultPlan::new().on(Op::Publish, 1, u32::MAX, Fault::Refused);
    let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
    let _worker = run(bench.builder_of(faulty.clone(), registry(&bench.seen)).concurrency(1));
    bench.turn().await;
    for id in ["a", "b", "c"] {
        let job = bench.client.enqueue(Script(vec![Do::Fatal])).id(id);
        job.on_exhausted_job("refund@money").await.expect("sent");
    }
    bench.enqueue("next", [Do::Succeed]).await;
    bench.pass(secs(5)).await;
    assert_eq!((bench.state("next").await, bench.left().await), (JobState::Completed, 0));
    assert_eq!(faulty.calls(Op::Publish), 3 * 4, "bounded tries for each");
    for id in ["a", "b", "c"] {
        let report = bench.report(id).await;
        assert_eq!(report.state, JobState::Dead);
        let letter = report.dead.expect("dead");
        let says = "its follow-up refund could not be sent: ";
        assert!(letter.reason.contains(says), "{}", letter.reason);
        assert!(letter.reason.contains("the plan says so"), "{}", letter.reason);
        assert!(!letter.reason.starts_with(says), "first why it died: {}", letter.reason);
    }
}

#[tokio::test]
async fn a_follow_up_that_is_refused_for_a_moment_is_sent() {
    let (bench, followed) = (Bench::new(), Followed::default());
    let plan = FaultPlan::new().on(Op::Publish, 1, 2, Fault::Refused);
    let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
    let registry = followed.listen(registry(&bench.seen));
    let _worker = run(bench.builder_of(faulty, registry).queues(["default", "money"]));
    bench.turn().await;
    let job = bench.client.enqueue(Script(vec![Do::Fatal])).id("job");
    job.on_exhausted_job("refund@money").await.expect("sent");
    bench.pass(secs(5)).await;
    assert_eq!((followed.all().len(), bench.left().await), (1, 0));
    let letter = bench.report("job").await.dead.expect("dead");
    assert!(!letter.reason.contains("follow-up"), "{}", letter.reason);
}
