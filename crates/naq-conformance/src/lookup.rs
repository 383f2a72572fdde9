//! Lookups: read jobs, queues and the broker without changing them.

use std::time::Duration;

use naq_client::ClientError;
use naq_core::names::{JobId, QueueName};
use naq_core::transport::{Place, StreamRole};

use crate::Subject;
use crate::case::{Case, LOOK};

pub async fn evidence_of_every_kind_is_found(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    case.write(&case.retry(&delivery, Duration::from_secs(60))).await;
    case.write(&case.dead(&delivery, "Error")).await;
    case.write(&case.record(&delivery)).await;
    let mut found = case.transport.evidence(&[case.key("a")]).await.unwrap().remove(0);
    found.sort_by_key(|evidence| evidence.place);
    let places: Vec<Place> = found.iter().map(|evidence| evidence.place).collect();
    assert_eq!(places, [Place::Queue, Place::Schedule, Place::Dead, Place::Record]);
    let step = delivery.step();
    assert!(found.iter().all(|evidence| evidence.step.nonce == step.nonce));
    assert_eq!((found[0].seq, &found[0].step), (delivery.stored.seq, &step));
    assert!(found[1].seq > found[0].seq, "queue and schedule share their sequence");
    assert_eq!(found[1].step.attempt, 2);
}

pub async fn evidence_of_many_jobs_comes_in_their_order(subject: &dyn Subject) {
    let case = Case::new(subject);
    let jobs = (0..300).filter(|i| i % 3 > 0).map(|i| {
        let delay = Duration::from_secs(60 * (i % 3 - 1));
        let job = case.client.enqueue_task("t", &i).unwrap().id(format!("job-{i}"));
        job.delay(delay).prepare().unwrap()
    });
    for answer in case.client.enqueue_many(jobs).await {
        answer.unwrap();
    }
    let keys: Vec<_> = (0..300).map(|i| case.key(&format!("job-{i}"))).collect();
    let found = case.transport.evidence(&keys).await.unwrap();
    assert_eq!(found.len(), 300);
    for (i, evidence) in found.iter().enumerate() {
        let places: Vec<Place> = evidence.iter().map(|it| it.place).collect();
        let expected: &[Place] = [&[][..], &[Place::Queue], &[Place::Schedule]][i % 3];
        assert_eq!(places, expected, "job-{i}");
    }
    assert!(case.transport.evidence(&[]).await.unwrap().is_empty());
}

pub async fn a_job_is_found_by_its_id_at_every_place(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let id = JobId::random();
    let here = [case.queue.clone()];
    let find = || case.transport.find(&id);
    assert_eq!(find().await.unwrap(), [], "unknown");
    case.enqueue(id.as_str()).await;
    assert_eq!(find().await.unwrap(), here, "pending");
    let first = case.next_delivery(&mut sub).await;
    assert_eq!(find().await.unwrap(), here, "running");
    case.settle(&first, &case.retry(&first, LOOK)).await;
    case.expect_places(id.as_str(), &[Place::Schedule]).await;
    assert_eq!(find().await.unwrap(), here, "waiting");
    let second = case.next_delivery(&mut sub).await;
    case.settle(&second, &case.dead(&second, "Error")).await;
    case.expect_places(id.as_str(), &[Place::Dead]).await;
    assert_eq!(find().await.unwrap(), here, "dead");
    let letter = case.transport.locate(&case.key(id.as_str())).await.unwrap().remove(0);
    case.client.requeue(&letter, None).await.unwrap();
    let third = case.next_delivery(&mut sub).await;
    case.complete(&third).await;
    case.expect_places(id.as_str(), &[Place::Record]).await;
    assert_eq!(find().await.unwrap(), here, "done");
    assert_eq!(case.client.job(&id, None).await.unwrap().key, case.key(id.as_str()));
    // With a job in a second queue, the client needs to know which one.
    let other = Case::new(subject);
    other.enqueue(id.as_str()).await;
    let both = case.client.job(&id, None).await;
    assert!(matches!(&both, Err(ClientError::Ambiguous { queues, .. }) if queues.len() == 2));
    assert!(case.client.job(&id, Some(&other.queue)).await.is_ok());
}

pub async fn the_jobs_of_a_queue_are_counted_by_their_state(subject: &dyn Subject) {
    let case = Case::new(subject);
    let unknown = case.transport.queue_info(&case.queue).await.unwrap();
    assert!(unknown.is_none(), "the queue does not exist yet");
    let mut sub = case.open().await;
    let counts = async || {
        let info = case.transport.queue_info(&case.queue).await.unwrap().unwrap();
        (info.pending, info.running, info.waiting, info.dead)
    };
    assert_eq!(counts().await, (0, 0, 0, 0));
    for name in ["a", "b", "c"] {
        case.enqueue(name).await;
    }
    case.enqueue_in("d", Duration::from_secs(60)).await;
    assert_eq!(counts().await, (3, 0, 1, 0));
    let (a, b) = (case.next_delivery(&mut sub).await, case.next_delivery(&mut sub).await);
    assert_eq!(counts().await, (1, 2, 1, 0));
    case.complete(&a).await;
    case.settle(&b, &case.dead(&b, "Error")).await;
    case.expect_places("a", &[Place::Record]).await;
    case.expect_places("b", &[Place::Dead]).await;
    assert_eq!(counts().await, (1, 0, 1, 1));
    let info = case.transport.queue_info(&case.queue).await.unwrap().unwrap();
    assert_eq!(info.name, case.queue);
    assert!(info.bytes > 0 && info.oldest.is_some());
}

pub async fn the_oldest_job_is_the_one_that_waits_longest_for_a_slot(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let oldest = async || case.transport.queue_info(&case.queue).await.unwrap().unwrap().oldest;
    case.enqueue_in("waits-for-its-time", Duration::from_secs(60)).await;
    assert_eq!(oldest().await, None);
    case.enqueue("runs").await;
    let running = case.next_delivery(&mut sub).await;
    assert_eq!(oldest().await, None);
    case.advance(Duration::from_millis(600)).await;
    case.enqueue("waits").await;
    let age = oldest().await.unwrap();
    assert!(age < Duration::from_millis(600), "{age:?}");
    case.advance(Duration::from_millis(700)).await;
    case.enqueue("waits-less").await;
    let age = oldest().await.unwrap();
    assert!(age >= Duration::from_millis(600), "{age:?}");
    case.complete(&running).await;
}

pub async fn all_queues_are_listed_by_name(subject: &dyn Subject) {
    let (one, two) = (Case::new(subject), Case::new(subject));
    one.enqueue("a").await;
    two.open().await;
    let queues = one.transport.queues().await.unwrap();
    assert!(queues.is_sorted());
    let has = |queue: &QueueName| queues.iter().filter(|q| *q == queue).count();
    assert_eq!((has(&one.queue), has(&two.queue)), (1, 1));
    let infos = one.client.queues().await.unwrap();
    assert!(infos.iter().any(|info| info.name == one.queue && info.pending == 1));
}

pub async fn the_broker_reports_its_server_and_limits(subject: &dyn Subject) {
    let case = Case::new(subject);
    let broker = case.transport.broker().await.unwrap();
    assert!(!broker.server.is_empty() && broker.max_payload >= 64 * 1024, "{broker:?}");
    assert!(broker.clock_ahead_ms.abs() < 1000, "on the same machine: {broker:?}");
}

pub async fn the_streams_report_their_messages_and_consumers(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for name in ["a", "b", "c"] {
        case.enqueue(name).await;
    }
    case.enqueue_in("d", Duration::from_secs(60)).await;
    let a = case.next_delivery(&mut sub).await;
    let b = case.next_delivery(&mut sub).await;
    case.settle(&a, &case.dead(&a, "Error")).await;
    case.expect_places("a", &[Place::Dead]).await;
    let streams = case.transport.streams().await.unwrap();
    let with = |role| streams.iter().find(|stream| stream.role == role).unwrap();
    let queue = with(StreamRole::Queue(case.queue.clone()));
    assert_eq!(queue.messages, 3, "two in the queue and one that is scheduled");
    assert!(queue.bytes > 0 && !queue.durability.to_string().is_empty());
    let consumer = queue.consumer.as_ref().unwrap();
    assert_eq!((consumer.lag, consumer.held, consumer.redelivered), (1, 1, 0));
    assert!(!consumer.paused);
    assert!(with(StreamRole::Dead).messages >= 1);
    assert!(with(StreamRole::Records).consumer.is_none());
    let roles: Vec<_> = streams.iter().map(|stream| &stream.role).collect();
    assert!(roles.is_sorted(), "queues by name, then the shared streams: {roles:?}");
    case.complete(&b).await;
}
