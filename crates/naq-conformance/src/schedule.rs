//! Scheduled jobs: they wait in the broker.

use std::time::Duration;

use naq_core::state::JobState;
use naq_core::transport::{Fact, Place, Stored, Submission};
use naq_core::wire::{Codec, WireMessage, headers};

use crate::Subject;
use crate::case::{BRIEF, Case, LOOK};

const WAIT: Duration = Duration::from_secs(1);

pub async fn a_scheduled_job_is_never_early_and_arrives_unchanged(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let mut waiting = Vec::new();
    for (name, codec) in [("json", Codec::Json), ("msgpack", Codec::MsgPack)] {
        let due_at = case.now() + LOOK;
        let body = codec.encode("a job", &serde_json::json!({"task": "t", "args": [1, "é"]}));
        let message = WireMessage::new(body.unwrap())
            .with(headers::CONTENT_TYPE, codec.content_type())
            .with("X-Mine", "kept");
        let job = Submission {
            key: case.key(name),
            due_at: Some(due_at),
            dedup: format!("{}/{name}", case.queue),
            unique: false,
            message: message.clone(),
        };
        case.transport.publish(job).await.unwrap();
        case.expect_places(name, &[Place::Schedule]).await;
        let stored = case.transport.locate(&case.key(name)).await.unwrap().remove(0);
        assert_eq!(stored.due_at, Some(due_at));
        waiting.push((name, due_at, message, stored.seq));
    }
    for _ in 0..2 {
        let delivery = case.next_delivery(&mut sub).await;
        let arrived = |(name, ..): &(&str, _, _, _)| delivery.stored.key == case.key(name);
        let (name, due_at, message, seq) =
            waiting.remove(waiting.iter().position(arrived).unwrap());
        assert!(case.now() >= due_at, "early by {:?}", due_at.since(case.now()));
        assert_eq!(delivery.stored.message.body, message.body, "byte for byte");
        for (header, value) in message.headers() {
            assert_eq!(delivery.stored.message.header(header), Some(value), "{header}");
        }
        assert_eq!((delivery.delivered, delivery.suspect), (1, false));
        assert!(delivery.stored.seq > seq);
        case.complete(&delivery).await;
        case.expect_places(name, &[Place::Record]).await;
    }
}

pub async fn a_waiting_job_does_not_delay_newer_jobs(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue_in("later", Duration::from_secs(60)).await;
    case.enqueue("now").await;
    let delivery = case.next_delivery(&mut sub).await;
    assert_eq!(delivery.stored.key, case.key("now"));
    case.expect_state("later", JobState::Scheduled).await;
    case.expect_state("now", JobState::Running).await;
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn a_job_with_a_due_time_beyond_the_brokers_range_does_not_start_now(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue_in("never", Duration::MAX).await;
    case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    case.settle(&delivery, &case.retry(&delivery, Duration::MAX)).await;
    case.expect_nothing(&mut sub, BRIEF).await;
    case.expect_state("never", JobState::Scheduled).await;
    case.expect_places("a", &[Place::Schedule]).await;
}

pub async fn a_job_with_a_due_time_in_the_past_starts_at_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let past = case.now().saturating_sub(WAIT);
    let job = Submission {
        key: case.key("a"),
        due_at: Some(past),
        dedup: format!("{}/a", case.queue),
        unique: false,
        message: WireMessage::new(b"{\"task\":\"t\"}".to_vec().into()),
    };
    case.transport.publish(job).await.unwrap();
    let delivery = case.next_delivery(&mut sub).await;
    // A retry without a delay is due at once as well.
    case.settle(&delivery, &case.retry(&delivery, Duration::ZERO)).await;
    assert_eq!(case.next_delivery(&mut sub).await.envelope().unwrap().attempt, 2);
}

pub async fn a_new_schedule_of_a_job_replaces_the_old_one(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    let first = case.retry(&delivery, WAIT);
    let second = Fact { dedup: format!("{}x", first.dedup), ..case.retry(&delivery, 2 * WAIT) };
    case.write(&first).await;
    case.write(&second).await;
    delivery.handle.ack().await.unwrap();
    let again = case.next_delivery(&mut sub).await;
    let due_at = again.envelope().unwrap().due_at.unwrap();
    assert!(case.now() >= due_at && due_at > delivery.stored.stored_at + WAIT + BRIEF);
    case.complete(&again).await;
    case.expect_nothing(&mut sub, BRIEF).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn jobs_that_are_due_together_all_start_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for i in 0..50 {
        case.enqueue_in(&format!("job-{i}"), WAIT).await;
    }
    let mut ids: Vec<_> = Vec::new();
    for delivery in case.next_deliveries(&mut sub, 50).await {
        ids.push(delivery.stored.key.id.to_string());
        case.complete(&delivery).await;
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 50);
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn a_released_job_starts_now_and_one_time_only(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    // Longer than the rest of the test takes, so that only the release can start the job.
    let wait = 3 * WAIT;
    case.enqueue_in("a", wait).await;
    let waiting = case.transport.locate(&case.key("a")).await.unwrap().remove(0);
    assert!(case.transport.release(&waiting).await.unwrap());
    assert!(!case.transport.release(&waiting).await.unwrap(), "it does not wait any more");
    let delivery = case.next_delivery(&mut sub).await;
    assert_eq!(delivery.stored.message.body, waiting.message.body);
    assert_eq!(delivery.step(), waiting.step());
    case.complete(&delivery).await;
    case.expect_nothing(&mut sub, wait + BRIEF).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn a_release_that_races_the_due_time_starts_the_job_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    // Before, around and after the due time.
    for (i, wait) in [0, 300, 500, 600, 700].into_iter().enumerate() {
        let name = format!("job-{i}");
        case.enqueue_in(&name, Duration::from_millis(500)).await;
        let waiting = case.transport.locate(&case.key(&name)).await.unwrap();
        case.advance(Duration::from_millis(wait)).await;
        let released = case.transport.release(&waiting[0]).await.unwrap();
        let delivery = case.next_delivery(&mut sub).await;
        assert_eq!(delivery.stored.key, case.key(&name), "released: {released}");
        case.complete(&delivery).await;
    }
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn retry_now_makes_a_waiting_retry_due(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    assert!(case.client.retry_now(&case.key("a")).await.is_err(), "it does not wait");
    let delivery = case.next_delivery(&mut sub).await;
    case.settle(&delivery, &case.retry(&delivery, Duration::from_secs(60))).await;
    case.expect_places("a", &[Place::Schedule]).await;
    case.expect_state("a", JobState::Retrying).await;
    case.client.retry_now(&case.key("a")).await.unwrap();
    let again = case.next_delivery(&mut sub).await;
    assert_eq!(again.envelope().unwrap().attempt, 2);
    case.complete(&again).await;
    case.expect_places("a", &[Place::Record]).await;
}

pub async fn stored_jobs_survive_a_restart_of_the_broker(subject: &dyn Subject) {
    let case = Case::new(subject);
    case.enqueue("pending").await;
    case.enqueue_in("waiting", WAIT).await;
    // A broker that is killed may lose the messages that it stored just before.
    case.advance(BRIEF).await;
    if !case.restart().await {
        return;
    }
    let mut sub = case.open().await;
    let mut ids: Vec<_> = Vec::new();
    for delivery in case.next_deliveries(&mut sub, 2).await {
        ids.push(delivery.stored.key.id.to_string());
        case.complete(&delivery).await;
    }
    ids.sort_unstable();
    assert_eq!(ids, ["pending", "waiting"]);
}

async fn waiting(case: &Case<'_>, id: &str) -> Stored {
    let mut found = case.transport.locate(&case.key(id)).await.unwrap();
    found.retain(|stored| stored.place == Place::Schedule);
    found.remove(0)
}

pub async fn a_job_that_is_moved_starts_once_at_its_new_time(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for (name, was, is) in [("later", 3 * WAIT, 5 * WAIT), ("sooner", 60 * WAIT, 2 * WAIT)] {
        case.enqueue_in(name, was).await;
        let before = waiting(&case, name).await;
        let due_at = case.now() + is;
        assert!(case.transport.reschedule(&before, due_at).await.unwrap());
        assert!(!case.transport.reschedule(&before, due_at).await.unwrap(), "it was moved");
        assert!(!case.transport.release(&before).await.unwrap(), "it was moved");
        let after = waiting(&case, name).await;
        assert_eq!((after.due_at, after.step()), (Some(due_at), before.step()));
        assert!(after.seq > before.seq);
        let old = before.envelope().unwrap();
        let mut new = after.envelope().unwrap();
        assert_eq!(new.due_at, Some(due_at));
        new.due_at = old.due_at;
        assert_eq!(new, old, "only the due time has changed");
        let delivery = case.next_delivery(&mut sub).await;
        assert_eq!(delivery.stored.key, case.key(name));
        assert!(case.now() >= due_at, "early by {:?}", due_at.since(case.now()));
        assert_eq!(delivery.step(), before.step());
        case.complete(&delivery).await;
    }
    case.expect_nothing(&mut sub, 3 * WAIT).await;
    case.expect_places("later", &[Place::Record]).await;
}

pub async fn a_move_that_races_the_due_time_starts_the_job_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    // Long before, around and after the due time.
    for (i, wait) in [0, 300, 1400, 1500, 1600].into_iter().enumerate() {
        let name = format!("job-{i}");
        case.enqueue_in(&name, Duration::from_millis(1500)).await;
        let before = waiting(&case, &name).await;
        case.advance(Duration::from_millis(wait)).await;
        let due_at = case.now() + 2 * WAIT;
        let moved = case.transport.reschedule(&before, due_at).await.unwrap();
        let delivery = case.next_delivery(&mut sub).await;
        assert_eq!(delivery.stored.key, case.key(&name), "moved: {moved}");
        assert_eq!(moved, case.now() >= due_at, "moved: {moved}");
        case.complete(&delivery).await;
    }
    case.expect_nothing(&mut sub, 3 * WAIT).await;
}

pub async fn a_job_written_by_hand_is_moved_byte_for_byte(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let message = WireMessage::new(b"no job at all".to_vec().into()).with("X-Mine", "kept");
    let job = Submission {
        key: case.key("a"),
        due_at: Some(case.now() + 60 * WAIT),
        dedup: format!("{}/a", case.queue),
        unique: false,
        message,
    };
    case.transport.publish(job).await.unwrap();
    let before = waiting(&case, "a").await;
    // A time in the past means now.
    assert!(case.transport.reschedule(&before, case.now().saturating_sub(WAIT)).await.unwrap());
    let delivery = case.next_delivery(&mut sub).await;
    assert_eq!(delivery.stored.message.body, before.message.body);
    assert_eq!(delivery.stored.message.header("X-Mine"), Some("kept"));
}

pub async fn a_waiting_job_is_replaced_once_and_starts_with_its_new_body(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue_in("a", 60 * WAIT).await;
    let before = waiting(&case, "a").await;
    let replacement = |tag: &str| {
        let mut job = before.envelope().unwrap();
        let due_at = case.now() + 4 * WAIT;
        (job.due_at, job.tags) = (Some(due_at), vec![tag.to_owned()]);
        let (key, dedup) = (case.key("a"), job.id.to_string());
        Submission {
            key,
            dedup,
            due_at: Some(due_at),
            unique: false,
            message: job.to_message().unwrap(),
        }
    };
    let new = replacement("new");
    let due_at = new.due_at.unwrap();
    assert!(case.transport.replace(&before, new).await.unwrap());
    assert!(!case.transport.replace(&before, replacement("late")).await.unwrap());
    let after = waiting(&case, "a").await;
    assert_eq!((after.due_at, after.step()), (Some(due_at), before.step()));
    let delivery = case.next_delivery(&mut sub).await;
    assert!(case.now() >= due_at, "early by {:?}", due_at.since(case.now()));
    assert_eq!(delivery.stored.envelope().unwrap().tags, ["new"]);
    assert!(!case.transport.replace(&after, replacement("late")).await.unwrap(), "it runs");
    case.complete(&delivery).await;
    case.expect_nothing(&mut sub, 5 * WAIT).await;
}

pub async fn jobs_that_wait_come_in_pages(subject: &dyn Subject) {
    let case = Case::new(subject);
    assert_eq!(case.transport.waiting_jobs(&case.queue, 0, 10).await.unwrap().jobs, []);
    case.enqueue("pending").await;
    for i in 0..5 {
        case.enqueue_in(&format!("job-{i}"), 60 * WAIT).await;
    }
    let mut names = Vec::new();
    let mut next = Some(0);
    let mut pages = 0;
    while let Some(from) = next {
        let page = case.transport.waiting_jobs(&case.queue, from, 2).await.unwrap();
        names.extend(page.jobs.iter().map(|job| job.key.id.to_string()));
        assert!(page.jobs.len() <= 2 && page.jobs.iter().all(|job| job.due_at.is_some()));
        next = page.next;
        pages += 1;
    }
    assert_eq!(names, ["job-0", "job-1", "job-2", "job-3", "job-4"]);
    assert_eq!(pages, 3);
    let info = case.transport.queue_info(&case.queue).await.unwrap().unwrap();
    assert_eq!(info.last_seq, waiting(&case, "job-4").await.seq);
}
