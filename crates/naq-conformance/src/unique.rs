//! Keys that at most one job holds.

use std::time::Duration;

use naq_client::{ClientError, Enqueue, JobHandle};
use naq_core::names::JobId;
use naq_core::state::JobState;
use naq_core::transport::{DeadPage, Place, StateKey};
use tokio::task::JoinSet;

use crate::Subject;
use crate::case::{BRIEF, Case};

type Handle = JobHandle<serde_json::Value>;

/// A key that no other test has.
fn key() -> String {
    format!("order {}", JobId::random())
}

fn task<'a>(case: &'a Case<'_>) -> Enqueue<'a, serde_json::Value> {
    case.client.enqueue_task("task", &()).unwrap()
}

async fn noted(case: &Case<'_>, key: &str) -> bool {
    let key = StateKey::new(["unique", key]).unwrap();
    case.transport.state_get(&[key]).await.unwrap()[0].is_some()
}

fn is_held_by(handle: &Handle, holder: &Handle) -> bool {
    let held = handle.held_by().is_some_and(|key| key.id == *holder.id());
    assert_eq!(held, handle.is_duplicate());
    held && handle.id() == holder.id() && handle.queue() == holder.queue()
}

pub async fn of_many_that_want_a_key_at_once_one_gets_it(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, key) = (case.open().await, key());
    let mut all = JoinSet::new();
    for _ in 0..64 {
        let (client, key) = (case.client.clone(), key.clone());
        all.spawn(async move { client.enqueue_task("task", &()).unwrap().unique(key).await });
    }
    let handles: Vec<_> = all.join_all().await.into_iter().map(Result::unwrap).collect();
    let new: Vec<_> = handles.iter().filter(|handle| !handle.is_duplicate()).collect();
    assert_eq!(new.len(), 1, "one of 64");
    assert!(handles.iter().all(|it| !it.is_duplicate() || is_held_by(it, new[0])));
    let only = case.one(&mut sub).await;
    assert_eq!(only.stored.key.id, *new[0].id());
    case.nothing(&mut sub, BRIEF).await;
}

pub async fn of_a_list_the_first_that_wants_a_key_gets_it(subject: &dyn Subject) {
    let case = Case::new(subject);
    let keys: Vec<_> = (0..40).map(|_| key()).collect();
    let jobs = keys.iter().flat_map(|key| [task(&case).unique(key), task(&case).unique(key)]);
    let handles = case.client.enqueue_many(jobs).await;
    let handles: Vec<_> = handles.into_iter().map(Result::unwrap).collect();
    for pair in handles.chunks(2) {
        assert!(!pair[0].is_duplicate() && is_held_by(&pair[1], &pair[0]), "{pair:?}");
    }
}

pub async fn a_key_is_free_again_and_again_and_never_held_twice(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, key) = (case.open().await, key());
    for round in 0..8 {
        let mut all = JoinSet::new();
        for _ in 0..8 {
            let (client, key) = (case.client.clone(), key.clone());
            all.spawn(async move { client.enqueue_task("task", &()).unwrap().unique(key).await });
        }
        // The job of the round before ends while they ask for the next.
        if round > 0 {
            let running = case.one(&mut sub).await;
            case.complete(&running).await;
        }
        let handles = all.join_all().await;
        let new = handles.iter().filter(|it| !it.as_ref().unwrap().is_duplicate()).count();
        assert!(new <= 1 || round == 0, "{new} in round {round}");
        // If all came too early, there is another one now.
        task(&case).unique(&key).await.unwrap();
    }
    let last = case.one(&mut sub).await;
    case.nothing(&mut sub, BRIEF).await;
    case.complete(&last).await;
}

pub async fn a_key_is_held_over_queues_until_the_job_has_ended(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, key) = (case.open().await, key());
    let first = task(&case).unique(&key).await.unwrap();
    assert!(!first.is_duplicate() && first.held_by().is_none());
    let elsewhere = JobId::random();
    let second = task(&case).queue(&elsewhere).unique(&key).await.unwrap();
    assert!(is_held_by(&second, &first));
    // A retry is not the end.
    let delivery = case.one(&mut sub).await;
    let retry = case.retry(&delivery, Duration::from_millis(200));
    case.settle(&delivery, &retry).await;
    assert!(is_held_by(&task(&case).unique(&key).await.unwrap(), &first));
    let delivery = case.one(&mut sub).await;
    assert!(is_held_by(&task(&case).unique(&key).await.unwrap(), &first));
    // Nobody says that the key is free: the record does.
    case.complete(&delivery).await;
    let next = task(&case).unique(&key).await.unwrap();
    assert!(!next.is_duplicate(), "{next:?}");
    // Whoever ends a job now and then says it, too.
    let delivery = case.one(&mut sub).await;
    let job = delivery.envelope().unwrap();
    case.complete(&delivery).await;
    assert!(case.client.free_unique(&job).await.unwrap() && !noted(&case, &key).await);
    assert!(!case.client.free_unique(&job).await.unwrap());
}

pub async fn a_job_that_is_cancelled_or_dead_holds_no_key(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, key) = (case.open().await, key());
    let wait = Duration::from_secs(60);
    let waiting = task(&case).unique(&key).delay(wait).await.unwrap();
    assert!(is_held_by(&task(&case).unique(&key).await.unwrap(), &waiting));
    case.client.cancel(&case.key(waiting.id().as_str()), "not needed").await.unwrap();
    assert!(!noted(&case, &key).await);
    let dead = task(&case).unique(&key).await.unwrap();
    assert!(!dead.is_duplicate());
    let delivery = case.one(&mut sub).await;
    case.settle(&delivery, &case.dead(&delivery, "ValueError")).await;
    assert!(!task(&case).unique(&key).await.unwrap().is_duplicate());
}

pub async fn a_requeued_job_needs_its_key_again(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, key) = (case.open().await, key());
    task(&case).unique(&key).id("a").await.unwrap();
    let delivery = case.one(&mut sub).await;
    case.settle(&delivery, &case.dead(&delivery, "ValueError")).await;
    let other = task(&case).unique(&key).await.unwrap();
    let DeadPage { letters, .. } =
        case.transport.dead_letters(Some(&case.queue), 0, 10).await.unwrap();
    match case.client.requeue(&letters[0], None).await {
        Err(ClientError::Unique { holder, .. }) => assert_eq!(holder.id, *other.id()),
        refused => panic!("{refused:?}"),
    }
    let delivery = case.one(&mut sub).await;
    assert_eq!(delivery.stored.key.id, *other.id());
    case.complete(&delivery).await;
    case.client.requeue(&letters[0], None).await.unwrap();
    assert_eq!(case.state("a").await, JobState::Pending);
    let holder = task(&case).unique(&key).await.unwrap();
    assert_eq!(holder.held_by(), Some(&case.key("a")));
}

pub async fn a_key_for_a_time_is_held_also_when_the_job_has_ended(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, key) = (case.open().await, key());
    let time = Duration::from_secs(2);
    let first = task(&case).unique_for(&key, time).record_ttl(Duration::ZERO).await.unwrap();
    let delivery = case.one(&mut sub).await;
    delivery.handle.ack().await.unwrap();
    case.stands(first.id().as_str(), &[]).await;
    assert!(is_held_by(&task(&case).unique_for(&key, time).await.unwrap(), &first));
    case.pass(time + Duration::from_millis(500)).await;
    assert!(!task(&case).unique_for(&key, time).await.unwrap().is_duplicate());
}

pub async fn a_key_until_the_start_is_free_while_the_job_runs(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, key) = (case.open().await, key());
    let first = task(&case).unique_until_started(&key).await.unwrap();
    let running = case.one(&mut sub).await;
    // Handed out, but its worker has not let it start.
    let second = task(&case).unique_until_started(&key).await.unwrap();
    assert!(is_held_by(&second, &first));
    assert!(case.client.free_unique(&running.envelope().unwrap()).await.unwrap());
    let third = task(&case).unique_until_started(&key).await.unwrap();
    assert!(!third.is_duplicate());
    // The end of the first takes nothing from the third.
    assert!(!case.client.free_unique(&running.envelope().unwrap()).await.unwrap());
    case.complete(&running).await;
    assert!(is_held_by(&task(&case).unique_until_started(&key).await.unwrap(), &third));
}

pub async fn many_at_once_are_answered_one_by_one(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (mut sub, key) = (case.open().await, key());
    let jobs = [
        task(&case).unique(&key).tag("first"),
        task(&case),
        task(&case).queue("no queue name"),
        task(&case).unique(&key).tag("second"),
        task(&case).id("chosen"),
        task(&case).unique(""),
    ];
    let answers = case.client.enqueue_many(jobs).await;
    let new: Vec<_> =
        answers.iter().map(|it| it.as_ref().ok().map(|it| !it.is_duplicate())).collect();
    assert_eq!(new, [Some(true), Some(true), None, Some(false), Some(true), None]);
    let (first, second) = (answers[0].as_ref().unwrap(), answers[3].as_ref().unwrap());
    assert!(is_held_by(second, first));
    assert_eq!(case.many(&mut sub, 3).await.len(), 3);
    case.nothing(&mut sub, BRIEF).await;
    case.stands("chosen", &[Place::Queue]).await;
}
