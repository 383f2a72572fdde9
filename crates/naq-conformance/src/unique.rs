//! Unique keys: at most one job holds a key.

use std::time::Duration;

use naq_client::{ClientError, Enqueue};
use naq_core::names::JobId;
use naq_core::state::JobState;
use naq_core::transport::{DeadPage, Place, StateKey};
use tokio::task::JoinSet;

use crate::Subject;
use crate::case::{AnyJobHandle, BRIEF, Case};

/// A key that no other test uses.
fn key() -> String {
    format!("order {}", JobId::random())
}

fn task<'a>(case: &'a Case<'_>) -> Enqueue<'a, serde_json::Value> {
    case.client.enqueue_task("task", &()).unwrap()
}

async fn is_taken(case: &Case<'_>, key: &str) -> bool {
    let key = StateKey::new(["key", case.queue.as_str(), key]).unwrap();
    case.transport.state_get(&[key]).await.unwrap()[0].is_some()
}

fn is_held_by(handle: &AnyJobHandle, holder: &AnyJobHandle) -> bool {
    let held = handle.held_by().is_some_and(|key| key.id == *holder.id());
    assert_eq!(held, handle.is_duplicate());
    held && handle.id() == holder.id() && handle.queue() == holder.queue()
}

pub async fn of_many_jobs_that_want_a_key_at_once_one_gets_it(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let key = key();
    let mut all = JoinSet::new();
    for _ in 0..64 {
        let client = case.client.clone();
        let key = key.clone();
        all.spawn(async move { client.enqueue_task("task", &()).unwrap().unique(key).await });
    }
    let handles: Vec<_> = all.join_all().await.into_iter().map(Result::unwrap).collect();
    let new: Vec<_> = handles.iter().filter(|handle| !handle.is_duplicate()).collect();
    assert_eq!(new.len(), 1, "one of 64");
    assert!(handles.iter().all(|it| !it.is_duplicate() || is_held_by(it, new[0])));
    let only = case.next_delivery(&mut sub).await;
    assert_eq!(only.stored.key.id, *new[0].id());
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn of_a_list_the_first_job_that_wants_a_key_gets_it(subject: &dyn Subject) {
    let case = Case::new(subject);
    let keys: Vec<_> = (0..40).map(|_| key()).collect();
    let jobs = keys.iter().flat_map(|key| [task(&case).unique(key), task(&case).unique(key)]);
    let handles = case.client.enqueue_many(jobs).await;
    let handles: Vec<_> = handles.into_iter().map(Result::unwrap).collect();
    for pair in handles.chunks(2) {
        assert!(!pair[0].is_duplicate() && is_held_by(&pair[1], &pair[0]), "{pair:?}");
    }
}

pub async fn a_key_has_one_holder_at_a_time_over_many_rounds(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let key = key();
    for round in 0..8 {
        let mut all = JoinSet::new();
        for _ in 0..8 {
            let client = case.client.clone();
            let key = key.clone();
            all.spawn(async move { client.enqueue_task("task", &()).unwrap().unique(key).await });
        }
        // The job of the previous round ends while these jobs want its key.
        if round > 0 {
            let running = case.next_delivery(&mut sub).await;
            case.complete(&running).await;
        }
        let handles = all.join_all().await;
        let new = handles.iter().filter(|it| !it.as_ref().unwrap().is_duplicate()).count();
        assert!(new <= 1 || round == 0, "{new} in round {round}");
        // If all of them came before that end, this job gets the key.
        task(&case).unique(&key).await.unwrap();
    }
    let last = case.next_delivery(&mut sub).await;
    case.expect_nothing(&mut sub, BRIEF).await;
    case.complete(&last).await;
}

pub async fn a_key_is_held_over_queues_until_the_job_has_ended(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let key = key();
    let first = task(&case).unique(&key).await.unwrap();
    assert!(!first.is_duplicate() && first.held_by().is_none());
    let elsewhere = JobId::random();
    let second = task(&case).queue(&elsewhere).unique(&key).await.unwrap();
    assert!(!second.is_duplicate(), "the key of another queue");
    let wide = |queue: &str| task(&case).queue(queue).unique(&key).unique_across_queues();
    let third = wide(elsewhere.as_str()).delay(Duration::from_secs(60)).await.unwrap();
    let fourth = wide(case.queue.as_str()).await.unwrap();
    assert!(!third.is_duplicate() && is_held_by(&fourth, &third), "one over all queues");
    // A retry is not an end.
    let delivery = case.next_delivery(&mut sub).await;
    let retry = case.retry(&delivery, Duration::from_millis(200));
    case.settle(&delivery, &retry).await;
    assert!(is_held_by(&task(&case).unique(&key).await.unwrap(), &first));
    let delivery = case.next_delivery(&mut sub).await;
    assert!(is_held_by(&task(&case).unique(&key).await.unwrap(), &first));
    // No process has removed the key's entry. The record of the job shows that the key is free.
    case.complete(&delivery).await;
    let next = task(&case).unique(&key).await.unwrap();
    assert!(!next.is_duplicate(), "{next:?}");
    // A worker that ends a job frees the key as well.
    let delivery = case.next_delivery(&mut sub).await;
    let job = delivery.envelope().unwrap();
    case.complete(&delivery).await;
    assert!(case.client.free_unique(&job).await.unwrap() && !is_taken(&case, &key).await);
    assert!(!case.client.free_unique(&job).await.unwrap());
}

pub async fn a_job_that_is_cancelled_or_dead_holds_no_key(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let key = key();
    let wait = Duration::from_secs(60);
    let waiting = task(&case).unique(&key).delay(wait).await.unwrap();
    assert!(is_held_by(&task(&case).unique(&key).await.unwrap(), &waiting));
    case.client.cancel(&case.key(waiting.id().as_str()), "not needed").await.unwrap();
    assert!(!is_taken(&case, &key).await);
    let dead = task(&case).unique(&key).await.unwrap();
    assert!(!dead.is_duplicate());
    let delivery = case.next_delivery(&mut sub).await;
    case.settle(&delivery, &case.dead(&delivery, "ValueError")).await;
    assert!(!task(&case).unique(&key).await.unwrap().is_duplicate());
}

pub async fn a_requeued_job_needs_its_key_again(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let key = key();
    task(&case).unique(&key).id("a").await.unwrap();
    let delivery = case.next_delivery(&mut sub).await;
    case.settle(&delivery, &case.dead(&delivery, "ValueError")).await;
    let other = task(&case).unique(&key).await.unwrap();
    let DeadPage { letters, .. } =
        case.transport.dead_letters(Some(&case.queue), 0, 10).await.unwrap();
    match case.client.requeue(&letters[0], None).await {
        Err(ClientError::Unique { holder, .. }) => assert_eq!(holder.id, *other.id()),
        refused => panic!("{refused:?}"),
    }
    let delivery = case.next_delivery(&mut sub).await;
    assert_eq!(delivery.stored.key.id, *other.id());
    case.complete(&delivery).await;
    case.client.requeue(&letters[0], None).await.unwrap();
    case.expect_state("a", JobState::Pending).await;
    let holder = task(&case).unique(&key).await.unwrap();
    assert_eq!(holder.held_by(), Some(&case.key("a")));
}

pub async fn a_key_for_a_fixed_time_is_held_even_after_the_job_has_ended(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let key = key();
    let time = Duration::from_secs(2);
    let first = task(&case).unique_for(&key, time).record_ttl(Duration::ZERO).await.unwrap();
    let delivery = case.next_delivery(&mut sub).await;
    delivery.handle.ack().await.unwrap();
    case.expect_places(first.id().as_str(), &[]).await;
    assert!(is_held_by(&task(&case).unique_for(&key, time).await.unwrap(), &first));
    case.advance(time + Duration::from_millis(500)).await;
    assert!(!task(&case).unique_for(&key, time).await.unwrap().is_duplicate());
}

pub async fn a_key_until_the_start_is_free_while_the_job_runs(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let key = key();
    let first = task(&case).unique_until_started(&key).await.unwrap();
    let running = case.next_delivery(&mut sub).await;
    // The job is delivered, but its worker has not started it.
    let second = task(&case).unique_until_started(&key).await.unwrap();
    assert!(is_held_by(&second, &first));
    assert!(case.client.free_unique(&running.envelope().unwrap()).await.unwrap());
    let third = task(&case).unique_until_started(&key).await.unwrap();
    assert!(!third.is_duplicate());
    // The end of the first job does not free the key of the third.
    assert!(!case.client.free_unique(&running.envelope().unwrap()).await.unwrap());
    case.complete(&running).await;
    assert!(is_held_by(&task(&case).unique_until_started(&key).await.unwrap(), &third));
}

pub async fn enqueue_many_answers_each_job(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let key = key();
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
    let first = answers[0].as_ref().unwrap();
    let second = answers[3].as_ref().unwrap();
    assert!(is_held_by(second, first));
    assert_eq!(case.next_deliveries(&mut sub, 3).await.len(), 3);
    case.expect_nothing(&mut sub, BRIEF).await;
    case.expect_places("chosen", &[Place::Queue]).await;
}
