//! Queues: enqueue, fetch and ack.

use std::time::Duration;

use naq_core::transport::{Place, Receipt, Submission, TransportError};
use naq_core::wire::{WireMessage, headers};

use crate::Subject;
use crate::case::{BRIEF, Case, id};

pub async fn a_job_arrives_once_with_its_headers_and_body(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let message = WireMessage::new(b"{\"task\":\"t\",\"args\":[1.50]}".to_vec().into())
        .with(headers::CONTENT_TYPE, "application/json")
        .with("X-Mine", "kept as it is");
    case.publish_raw("a", message.clone()).await;
    let delivery = case.next_delivery(&mut sub).await;
    assert_eq!(delivery.stored.key, case.key("a"));
    assert_eq!(delivery.stored.place, Place::Queue);
    assert_eq!(delivery.stored.message.body, message.body);
    for (name, value) in message.headers() {
        assert_eq!(delivery.stored.message.header(name), Some(value), "{name}");
    }
    assert_eq!((delivery.delivered, delivery.suspect), (1, false));
    delivery.handle.ack().await.unwrap();
    case.expect_places("a", &[]).await;
    case.expect_nothing(&mut sub, case.lease() + BRIEF).await;
}

pub async fn the_same_id_twice_is_one_job_while_it_waits_runs_and_is_done(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    assert!(!case.enqueue("a").await.is_duplicate());
    assert!(case.enqueue("a").await.is_duplicate());
    let delivery = case.next_delivery(&mut sub).await;
    assert!(case.enqueue("a").await.is_duplicate());
    case.complete(&delivery).await;
    assert!(case.enqueue("a").await.is_duplicate());
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn a_chosen_id_is_refused_while_a_job_of_it_is_in_the_queue(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    // Every submission has another dedup id, as after the dedup window. So only `unique` can make
    // one a duplicate.
    let submit = |dedup: &str, unique: bool| Submission {
        key: case.key("a"),
        due_at: None,
        dedup: format!("{}/{dedup}", case.queue),
        unique,
        message: WireMessage::new(b"{\"task\":\"t\"}".to_vec().into()),
    };
    let publish = |job| case.transport.publish(job);
    assert!(matches!(publish(submit("1", true)).await, Ok(Receipt::Stored(_))));
    assert!(matches!(publish(submit("2", true)).await, Ok(Receipt::Duplicate)), "pending");
    let delivery = case.next_delivery(&mut sub).await;
    assert!(matches!(publish(submit("3", true)).await, Ok(Receipt::Duplicate)), "running");
    case.settle(&delivery, &case.retry(&delivery, Duration::from_secs(60))).await;
    case.expect_places("a", &[Place::Schedule]).await;
    assert!(matches!(publish(submit("4", true)).await, Ok(Receipt::Duplicate)), "waiting");
    assert!(matches!(publish(submit("5", false)).await, Ok(Receipt::Stored(_))), "not unique");
}

pub async fn a_chosen_id_is_refused_while_its_record_or_its_letter_is_kept(subject: &dyn Subject) {
    const TTL: Duration = Duration::from_secs(1);
    let case = Case::new(subject);
    let mut sub = case.open().await;
    // Every submission has another dedup id, as after the dedup window.
    let submit = |id: &str, dedup: &str, unique: bool| Submission {
        key: case.key(id),
        due_at: None,
        dedup: format!("{}/{id}/{dedup}", case.queue),
        unique,
        message: WireMessage::new(b"{\"task\":\"t\"}".to_vec().into()),
    };
    let publish = |job| case.transport.publish(job);
    let short = case.client.enqueue_task("task", &()).unwrap().id("short");
    short.record_ttl(TTL).await.unwrap();
    case.complete(&case.next_delivery(&mut sub).await).await;
    case.enqueue("ended").await;
    case.complete(&case.next_delivery(&mut sub).await).await;
    case.enqueue("dead").await;
    let delivery = case.next_delivery(&mut sub).await;
    case.settle(&delivery, &case.dead(&delivery, "ValueError")).await;
    case.expect_places("ended", &[Place::Record]).await;
    case.expect_places("dead", &[Place::Dead]).await;

    for id in ["ended", "dead"] {
        let receipt = publish(submit(id, "2", true)).await;
        assert!(matches!(receipt, Ok(Receipt::Duplicate)), "{id}: {receipt:?}");
    }
    let many = ["new", "ended", "dead", "other"].map(|id| submit(id, "3", true));
    let receipts = case.transport.publish_many(many.into()).await;
    let stored = receipts.iter().map(|it| matches!(it, Ok(Receipt::Stored(_))));
    assert_eq!(stored.collect::<Vec<_>>(), [true, false, false, true], "{receipts:?}");

    let letter = case.transport.locate(&case.key("dead")).await.unwrap().remove(0);
    assert!(case.transport.remove(&letter).await.unwrap());
    assert!(matches!(publish(submit("dead", "4", true)).await, Ok(Receipt::Stored(_))), "purged");
    case.advance(TTL * 3).await;
    case.expect_places("short", &[]).await;
    assert!(matches!(publish(submit("short", "5", true)).await, Ok(Receipt::Stored(_))), "expired");
    assert!(matches!(publish(submit("ended", "6", false)).await, Ok(Receipt::Stored(_))), "random");
}

pub async fn a_job_of_a_chosen_id_that_has_ended_is_not_stored_again_after_a_restart(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for id in ["a", "b"] {
        case.enqueue(id).await;
        case.complete(&case.next_delivery(&mut sub).await).await;
        case.expect_places(id, &[Place::Record]).await;
    }
    case.restart().await;
    assert!(case.enqueue("a").await.is_duplicate());
    let again = ["new", "a", "b"].map(|id| case.client.enqueue_task("task", &[id]).unwrap().id(id));
    let again = case.client.enqueue_many(again).await;
    let duplicates = again.into_iter().map(|sent| sent.unwrap().is_duplicate());
    assert_eq!(duplicates.collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(case.next_delivery(&mut sub).await.stored.key, case.key("new"));
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn the_same_id_in_two_queues_is_two_jobs(subject: &dyn Subject) {
    let (one, two) = (Case::new(subject), Case::new(subject));
    assert!(!one.enqueue("a").await.is_duplicate());
    assert!(!two.enqueue("a").await.is_duplicate());
}

pub async fn many_at_once_are_all_stored_and_answered_in_their_order(subject: &dyn Subject) {
    const COUNT: usize = 1000;
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let job = |i: usize| {
        // Every tenth job repeats the one before it.
        let i = if i % 10 == 9 { i - 1 } else { i };
        case.client.enqueue_task("t", &i).unwrap().id(format!("job-{i}")).prepare().unwrap()
    };
    let answers = case.client.enqueue_many((0..COUNT).map(job)).await;
    assert_eq!(answers.len(), COUNT);
    for (i, answer) in answers.into_iter().enumerate() {
        let handle = answer.unwrap();
        let repeated = i % 10 == 9;
        let expected = format!("job-{}", if repeated { i - 1 } else { i });
        assert_eq!((handle.id().as_str(), handle.is_duplicate()), (expected.as_str(), repeated));
    }
    let mut ids = Vec::new();
    for delivery in case.next_deliveries(&mut sub, COUNT / 10 * 9).await {
        delivery.handle.ack().await.unwrap();
        ids.push(delivery.stored.key.id.to_string());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), COUNT / 10 * 9, "each job once");
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn a_fetch_returns_no_more_than_its_maximum(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for name in ["a", "b", "c"] {
        case.enqueue(name).await;
    }
    let first = case.next_deliveries(&mut sub, 2).await;
    assert_eq!(first.len(), 2);
    // The third job was not delivered yet, so another subscriber gets it.
    let mut other = case.open().await;
    assert_eq!(case.next_delivery(&mut other).await.stored.key, case.key("c"));
}

pub async fn a_fetch_that_is_dropped_loses_nothing(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    {
        let fetch = sub.fetch(1, Duration::from_secs(60));
        tokio::select! {
            biased;
            fetched = fetch => panic!("the queue is empty: {fetched:?}"),
            () = case.advance(Duration::from_millis(50)) => {}
        }
    }
    case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    assert_eq!(delivery.delivered, 1);
}

pub async fn a_fetch_of_zero_returns_jobs_of_an_earlier_request(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for name in ["a", "b", "c", "d", "e"] {
        // This fetch requests ten jobs; the request stays open for a while.
        case.expect_nothing(&mut sub, BRIEF).await;
        case.enqueue(name).await;
        let arrived = case.fetch(&mut sub, 0, Duration::from_secs(1)).await;
        if let [delivery] = &arrived[..] {
            assert_eq!((delivery.delivered, delivery.suspect), (1, false));
            return;
        }
        // The enqueue took longer than the request was open.
        assert!(arrived.is_empty());
        case.next_delivery(&mut sub).await;
    }
    panic!("no job arrived of an earlier request");
}

pub async fn a_fetch_of_zero_requests_nothing_and_waits(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let before = case.now();
    assert!(case.fetch(&mut sub, 0, BRIEF).await.is_empty());
    assert!(case.now() >= before + BRIEF, "it did not wait");
    assert_eq!(case.next_delivery(&mut case.open().await).await.delivered, 1);
}

pub async fn a_closed_subscription_leaves_nothing_behind(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut first = case.open().await;
    case.expect_nothing(&mut first, Duration::from_millis(50)).await;
    let left = first.close().await;
    assert!(left.is_empty());
    case.enqueue("a").await;
    let mut second = case.open().await;
    // No request of the closed subscription is left.
    let delivery = case.next_delivery(&mut second).await;
    assert_eq!(delivery.delivered, 1);
}

pub async fn an_oversize_message_is_refused_with_its_size(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let max = case.transport.broker().await.unwrap().max_payload;
    assert_eq!(case.transport.max_payload(), max);
    let job = |id: &str, body: Vec<u8>| Submission {
        key: case.key(id),
        due_at: None,
        dedup: format!("{}/{id}", case.queue),
        unique: false,
        message: WireMessage::new(body.into()),
    };
    let refused = case.transport.publish(job("a", vec![b'x'; max + 1])).await;
    assert!(
        matches!(refused, Err(TransportError::TooLarge { size, max: m }) if size > max && m == max),
        "{refused:?}"
    );
    // The refusal affects neither the next job nor another job of the same call.
    let batch = vec![job("b", vec![b'x'; max + 1]), job("c", b"{\"task\":\"t\"}".to_vec())];
    let answers = case.transport.publish_many(batch).await;
    assert!(matches!(answers[0], Err(TransportError::TooLarge { .. })), "{answers:?}");
    assert!(matches!(answers[1], Ok(Receipt::Stored(_))), "{answers:?}");
    let delivery = case.next_delivery(&mut sub).await;
    assert_eq!(delivery.stored.key.id, id("c"));
    let mut record = case.record(&delivery);
    record.message.body = vec![b'x'; max + 1].into();
    let refused = case.transport.write(&record).await;
    assert!(matches!(refused, Err(TransportError::TooLarge { .. })), "{refused:?}");
    assert_eq!(case.transport.locate(&case.key("a")).await.unwrap(), []);
}
