//! Dependencies: a job that waits for other jobs, enqueued before, during and after their ends.

use std::time::Duration;

use naq_client::{Enqueue, EnqueueError, Wake};
use naq_core::flow::Verdict;
use naq_core::names::JobId;
use naq_core::state::JobState;
use naq_core::transport::{
    Delivery, Expect, Fact, Place, StateEntry, StateKey, Submission, Subscription, Written,
};
use naq_core::wire::{FinalRecord, WireMessage};

use crate::Subject;
use crate::case::{BRIEF, Case};

/// Ends a job as its worker does, and runs the chore that notifies its dependents. True if it has
/// dependents.
pub(crate) async fn end(case: &Case<'_>, delivery: &Delivery, state: JobState) -> bool {
    let fact = match state {
        JobState::Completed => case.record(delivery),
        state => {
            let envelope = delivery.envelope().unwrap();
            let record = FinalRecord { envelope, state, finished_at: case.now(), result: None };
            Fact::record(&delivery.stored, &record).unwrap().unwrap()
        }
    };
    let written = case.write(&fact).await;
    assert!(matches!(written, Written::Stored | Written::Awaited), "{written:?}");
    let awaited = written == Written::Awaited;
    if awaited {
        wake(case, delivery, state).await;
    }
    delivery.handle.ack().await.unwrap();
    awaited
}

async fn wake(case: &Case<'_>, delivery: &Delivery, state: JobState) {
    let life = delivery.step().nonce;
    case.client.wake_dependents(&delivery.stored.key, &life, state).await.unwrap();
}

/// A job that a worker runs.
async fn running(case: &Case<'_>, sub: &mut Box<dyn Subscription>, id: &str) -> Delivery {
    case.enqueue(id).await;
    let delivery = case.next_delivery(sub).await;
    assert_eq!(delivery.stored.key, case.key(id));
    delivery
}

fn dependent<'a>(case: &'a Case<'_>, id: &str, on: &[&str]) -> Enqueue<'a, serde_json::Value> {
    case.client.enqueue_task("task", &[id]).unwrap().id(id).depends_on(on.to_vec())
}

pub(crate) async fn verdict(case: &Case<'_>, delivery: &Delivery) -> Verdict {
    case.client.check_dependencies(&delivery.envelope().unwrap()).await.unwrap()
}

/// The delivery of a dependent. Fails unless it may run.
async fn starts(case: &Case<'_>, sub: &mut Box<dyn Subscription>, id: &str) -> Delivery {
    let delivery = case.next_delivery(sub).await;
    assert_eq!(delivery.stored.key, case.key(id));
    assert_eq!(verdict(case, &delivery).await, Verdict::Run);
    delivery
}

pub async fn a_dependent_waits_until_the_last_of_its_parents_has_ended(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let (a, b) = (running(&case, &mut sub, "a").await, running(&case, &mut sub, "b").await);
    dependent(&case, "c", &["a", "b"]).await.unwrap();
    let report = case.client.report(&case.key("c")).await.unwrap();
    assert_eq!(report.state, JobState::Blocked);
    assert_eq!(report.waits_for, [case.key("a"), case.key("b")]);
    assert!(end(&case, &a, JobState::Completed).await, "its dependent waits");
    case.expect_nothing(&mut sub, BRIEF).await;
    let report = case.client.report(&case.key("c")).await.unwrap();
    assert_eq!((report.state, report.waits_for), (JobState::Blocked, vec![case.key("b")]));
    end(&case, &b, JobState::Completed).await;
    let c = starts(&case, &mut sub, "c").await;
    // A second notification changes nothing.
    wake(&case, &b, JobState::Completed).await;
    case.complete(&c).await;
    case.expect_nothing(&mut sub, BRIEF).await;
    case.expect_places("c", &[Place::Record]).await;
}

pub async fn a_dependent_of_ended_parents_starts_at_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for id in ["a", "b"] {
        let parent = running(&case, &mut sub, id).await;
        assert!(!end(&case, &parent, JobState::Completed).await, "no dependent waits");
    }
    dependent(&case, "c", &["a", "b"]).await.unwrap();
    starts(&case, &mut sub, "c").await;
}

pub async fn a_retry_of_a_parent_is_not_its_end(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let first = running(&case, &mut sub, "a").await;
    dependent(&case, "c", &["a"]).await.unwrap();
    case.settle(&first, &case.retry(&first, Duration::from_millis(300))).await;
    case.expect_state("c", JobState::Blocked).await;
    let second = case.next_delivery(&mut sub).await;
    assert_eq!(second.stored.key, case.key("a"));
    case.expect_state("c", JobState::Blocked).await;
    end(&case, &second, JobState::Completed).await;
    starts(&case, &mut sub, "c").await;
}

pub async fn a_parent_that_does_not_complete_cancels_its_dependent_and_the_next_one(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for (n, state) in [JobState::Dead, JobState::Cancelled, JobState::Expired].iter().enumerate() {
        let [a, b, c] = ["a", "b", "c"].map(|id| format!("{id}{n}"));
        let parent = running(&case, &mut sub, &a).await;
        dependent(&case, &b, &[&a]).await.unwrap();
        dependent(&case, &c, &[&b]).await.unwrap();
        end(&case, &parent, *state).await;
        let report = case.client.report(&case.key(&b)).await.unwrap();
        assert_eq!(report.state, JobState::Cancelled);
        let reason = report.envelope.unwrap().history.pop().unwrap().reason.unwrap();
        assert!(reason.contains(&format!("{a}, which it depends on, is {state}")), "{reason}");
        // Runs the chore that the cancel has enqueued.
        let chores = case.transport.locate(&chore(&case, &b, &report.stored)).await.unwrap();
        assert_eq!(chores.len(), 1, "one chore for the end of {b}");
        let life = report.stored.step().nonce;
        case.client.wake_dependents(&case.key(&b), &life, report.state).await.unwrap();
        case.expect_state(&c, JobState::Cancelled).await;
        case.expect_nothing(&mut sub, BRIEF).await;
        // A dependent that is enqueued later is cancelled as well.
        let late = format!("late{n}");
        dependent(&case, &late, &[&a]).await.unwrap();
        case.expect_state(&late, JobState::Cancelled).await;
    }
}

fn chore(
    case: &Case<'_>,
    id: &str,
    ended: &naq_core::transport::Stored,
) -> naq_core::names::JobKey {
    let wake = Wake::new(case.key(id), &ended.step().nonce, JobState::Cancelled);
    wake.submission(case.now()).unwrap().key
}

pub async fn a_job_that_runs_after_failure_or_partial_success_waits_for_all_parents(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let (a, b) = (running(&case, &mut sub, "a").await, running(&case, &mut sub, "b").await);
    dependent(&case, "alert", &["a", "b"]).run_after_failure().await.unwrap();
    dependent(&case, "partial", &["a", "b"]).allow_partial_dependencies().await.unwrap();
    dependent(&case, "all", &["a", "b"]).await.unwrap();
    end(&case, &a, JobState::Dead).await;
    case.expect_state("all", JobState::Cancelled).await; // as soon as the ends decide it
    case.expect_nothing(&mut sub, BRIEF).await;
    end(&case, &b, JobState::Completed).await;
    let mut arrived: Vec<String> = Vec::new();
    for delivery in case.next_deliveries(&mut sub, 2).await {
        assert_eq!(verdict(&case, &delivery).await, Verdict::Run);
        arrived.push(delivery.stored.key.id.to_string());
    }
    arrived.sort_unstable();
    assert_eq!(arrived, ["alert", "partial"]);
    dependent(&case, "calm", &["b"]).run_after_failure().await.unwrap();
    case.expect_state("calm", JobState::Cancelled).await;
    let parents = case.client.report(&case.key("partial")).await.unwrap().envelope.unwrap();
    let parents = case.client.parents(&parents).await.unwrap();
    let ends: Vec<_> = parents.iter().map(|end| (end.key.id.as_str(), end.state)).collect();
    assert_eq!(ends, [("a", Some(JobState::Dead)), ("b", Some(JobState::Completed))]);
    assert_eq!(parents.result::<String>("b").unwrap(), "done");
    assert!(parents.result::<String>("a").is_err() && parents.result::<String>("x").is_err());
}

pub async fn an_unknown_or_recordless_job_cannot_be_waited_for(subject: &dyn Subject) {
    let case = Case::new(subject);
    let refused = dependent(&case, "c", &["a"]).await;
    assert!(matches!(refused, Err(EnqueueError::UnknownDependency(_))), "{refused:?}");
    let silent = case.client.enqueue_task("task", &()).unwrap().id("silent");
    let silent = silent.record_ttl(Duration::ZERO).await.unwrap();
    let refused = case.client.enqueue_task("task", &()).unwrap().depends_on(&silent).await;
    assert!(matches!(refused, Err(EnqueueError::RecordlessDependency(_))), "{refused:?}");
    assert!(case.client.report(&case.key("c")).await.is_err(), "the job is not stored");
}

pub async fn a_blocked_job_can_be_cancelled_and_is_not_released_later(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let parent = running(&case, &mut sub, "a").await;
    dependent(&case, "c", &["a"]).await.unwrap();
    case.client.cancel(&case.key("c"), "not needed").await.unwrap();
    end(&case, &parent, JobState::Completed).await;
    case.expect_nothing(&mut sub, BRIEF).await;
    case.expect_state("c", JobState::Cancelled).await;
}

pub async fn a_released_dependent_is_not_made_due_by_a_second_notification(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let parent = running(&case, &mut sub, "a").await;
    dependent(&case, "c", &["a"]).await.unwrap();
    end(&case, &parent, JobState::Completed).await;
    let first = starts(&case, &mut sub, "c").await;
    case.settle(&first, &case.retry(&first, Duration::from_secs(60))).await;
    // A chore that crashed runs again and reads the old edge.
    let job = first.envelope().unwrap();
    case.client.release_if_met(&job).await.unwrap();
    wake(&case, &parent, JobState::Completed).await;
    case.expect_nothing(&mut sub, BRIEF).await;
    case.expect_state("c", JobState::Retrying).await;
}

pub async fn a_dependent_in_another_queue_is_released_and_leaves_no_edges(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let other = Case::new(subject);
    let mut others = other.open().await;
    let parent = running(&case, &mut sub, "a").await;
    let job = other.client.enqueue_task("task", &()).unwrap().id("c");
    job.depends_on(case.key("a")).await.unwrap();
    end(&case, &parent, JobState::Completed).await;
    let delivery = starts(&other, &mut others, "c").await;
    other.client.forget_dependencies(&delivery.envelope().unwrap()).await.unwrap();
    for kind in ["dep", "met"] {
        for queue in [&case.queue, &other.queue] {
            let prefix = naq_core::transport::StateKey::new([kind, queue.as_str()]).unwrap();
            let left = case.transport.state_list(&prefix, 0, 10).await.unwrap().entries;
            assert!(left.is_empty(), "{left:?}");
        }
    }
}

pub async fn many_dependents_of_one_and_one_dependent_of_many_are_released_once(
    subject: &dyn Subject,
) {
    const MANY: usize = 200;
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("root").await;
    let names: Vec<String> = (0..MANY).map(|n| format!("job-{n}")).collect();
    let jobs = names.iter().map(|id| dependent(&case, id, &["root"]));
    for sent in case.client.enqueue_many(jobs).await {
        sent.unwrap();
    }
    let last = case.client.enqueue_task("task", &()).unwrap().id("last").depends_on(&names);
    last.await.unwrap();
    // It starts now, because its lease is shorter than the time to enqueue so many.
    let root = case.next_delivery(&mut sub).await;
    assert_eq!(root.stored.key, case.key("root"));
    case.expect_nothing(&mut sub, BRIEF).await;
    end(&case, &root, JobState::Completed).await;
    // A few at a time, because their leases expire.
    for _ in 0..MANY / 10 {
        case.expect_state("last", JobState::Blocked).await;
        for delivery in case.next_deliveries(&mut sub, 10).await {
            end(&case, &delivery, JobState::Completed).await;
        }
    }
    starts(&case, &mut sub, "last").await;
    case.expect_nothing(&mut sub, BRIEF).await;
}

async fn entries(case: &Case<'_>, kind: &str) -> Vec<StateEntry> {
    let prefix = StateKey::new([kind, case.queue.as_str()]).unwrap();
    case.transport.state_list(&prefix, 0, 10).await.unwrap().entries
}

async fn result_of(case: &Case<'_>, id: &str) -> String {
    let report = case.client.report(&case.key(id)).await.unwrap();
    assert_eq!(report.state, JobState::Completed);
    report.result.unwrap().decode().unwrap()
}

pub async fn a_stale_edge_does_not_affect_the_record_of_a_later_life(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let first = running(&case, &mut sub, "a").await;
    dependent(&case, "c", &["a"]).await.unwrap();
    // The worker of `a` crashes before it notifies the dependents. Then the queue message of `a` is
    // removed.
    assert_eq!(case.write(&case.record(&first)).await, Written::Awaited);
    first.handle.ack().await.unwrap();
    case.json("a", r#"{"task":"task"}"#).await;
    let second = case.next_delivery(&mut sub).await;
    dependent(&case, "d", &["a"]).await.unwrap();
    assert!(end(&case, &second, JobState::Completed).await);
    assert_eq!(result_of(&case, "a").await, "done");
    // `c` waited for the first life of `a`, and `d` for the second.
    let mut arrived = Vec::new();
    for delivery in case.next_deliveries(&mut sub, 2).await {
        assert_eq!(verdict(&case, &delivery).await, Verdict::Run);
        arrived.push(delivery.stored.key.id.to_string());
    }
    arrived.sort_unstable();
    assert_eq!(arrived, ["c", "d"]);
    assert!(entries(&case, "dep").await.is_empty());
}

pub async fn an_edge_to_a_live_life_outlasts_the_end_of_another_life(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let first = running(&case, &mut sub, "a").await;
    case.complete(&first).await;
    case.json("a", r#"{"task":"task"}"#).await;
    let second = case.next_delivery(&mut sub).await;
    dependent(&case, "c", &["a"]).await.unwrap();
    wake(&case, &first, JobState::Dead).await;
    case.expect_state("c", JobState::Blocked).await;
    assert!(end(&case, &second, JobState::Completed).await, "its dependent waits");
    starts(&case, &mut sub, "c").await;
}

pub async fn a_dependent_of_a_scheduled_job_written_by_hand_starts_when_that_job_ends(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let due_at = Some(case.now() + Duration::from_millis(500));
    let message = WireMessage::new(bytes::Bytes::from_static(br#"{"task":"task"}"#));
    let key = case.key("a");
    let dedup = JobId::random().to_string();
    let job = Submission { key, due_at, dedup, unique: false, message };
    case.transport.publish(job).await.unwrap();
    dependent(&case, "c", &["a"]).await.unwrap();
    // A job without a nonce is named after its sequence, and the sequence changed when it became
    // due.
    let parent = case.next_delivery(&mut sub).await;
    assert_eq!(parent.stored.key, case.key("a"));
    assert!(end(&case, &parent, JobState::Completed).await, "its dependent waits");
    assert_eq!(result_of(&case, "a").await, "done");
    starts(&case, &mut sub, "c").await;
}

pub async fn a_blocked_job_that_is_cancelled_leaves_no_edges(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let (a, _b) = (running(&case, &mut sub, "a").await, running(&case, &mut sub, "b").await);
    dependent(&case, "c", &["a", "b"]).await.unwrap();
    end(&case, &a, JobState::Completed).await;
    assert_eq!((entries(&case, "dep").await.len(), entries(&case, "met").await.len()), (1, 1));
    case.client.cancel(&case.key("c"), "not needed").await.unwrap();
    assert_eq!((entries(&case, "dep").await.len(), entries(&case, "met").await.len()), (0, 0));
}

pub async fn the_edge_of_a_later_life_of_the_dependent_is_not_removed(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let _a = running(&case, &mut sub, "a").await;
    dependent(&case, "c", &["a"]).await.unwrap();
    let mut earlier = case.client.report(&case.key("c")).await.unwrap().envelope.unwrap();
    earlier.nonce = naq_core::wire::Nonce::parse("earlier").unwrap();
    case.client.forget_dependencies(&earlier).await.unwrap();
    assert_eq!(entries(&case, "dep").await.len(), 1);
}

pub async fn a_check_of_linked_parents_writes_nothing(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let (a, _b) = (running(&case, &mut sub, "a").await, running(&case, &mut sub, "b").await);
    dependent(&case, "c", &["a", "b"]).await.unwrap();
    let before = entries(&case, "dep").await;
    let job = case.client.report(&case.key("c")).await.unwrap().envelope.unwrap();
    assert_eq!(case.client.check_dependencies(&job).await.unwrap(), Verdict::Wait);
    assert_eq!(entries(&case, "dep").await, before);
    // A lost edge is written again, and the end reaches the dependent.
    case.transport.state_remove(&before[0].key, Expect::Any).await.unwrap();
    assert_eq!(case.client.check_dependencies(&job).await.unwrap(), Verdict::Wait);
    assert_eq!(entries(&case, "dep").await.len(), 2);
    assert!(end(&case, &a, JobState::Completed).await);
    let left = case.client.report(&case.key("c")).await.unwrap().waits_for;
    assert_eq!(left, [case.key("b")]);
}
