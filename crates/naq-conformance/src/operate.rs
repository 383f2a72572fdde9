//! Operators' actions: pause, purge, remove, limit and signal; the audit log.

use std::num::NonZeroU64;
use std::time::Duration;

use naq_client::{AuditEntry, AuditQuery, ClientError, EnqueueError};
use naq_core::names::{JobId, QueueName, TaskName, WorkerId};
use naq_core::transport::{
    Place, QueueBound, Receipt, Signal, Submission, TransportError, WorkerInfo, WorkerStatus,
};
use naq_core::wire::WireMessage;

use crate::Subject;
use crate::case::{BRIEF, Case};

pub async fn a_paused_queue_delivers_nothing_until_it_is_resumed(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let running = case.next_delivery(&mut sub).await;
    let until = case.now() + Duration::from_secs(60);
    case.transport.pause(&case.queue, until).await.unwrap();
    case.enqueue("b").await;
    case.expect_nothing(&mut sub, BRIEF).await;
    let info = case.transport.queue_info(&case.queue).await.unwrap().unwrap();
    assert_eq!((info.paused_until, info.pending), (Some(until), 1));
    // Running jobs continue.
    running.handle.renew().await.unwrap();
    case.complete(&running).await;
    case.expect_places("a", &[Place::Record]).await;
    case.transport.resume(&case.queue).await.unwrap();
    assert_eq!(case.next_delivery(&mut sub).await.stored.key, case.key("b"));
    let info = case.transport.queue_info(&case.queue).await.unwrap().unwrap();
    assert_eq!(info.paused_until, None);
}

pub async fn a_queue_has_a_job_while_one_is_pending_and_may_be_delivered(subject: &dyn Subject) {
    let case = Case::new(subject);
    let has_job = async || case.transport.has_job(&case.queue).await.unwrap();
    assert!(!has_job().await, "there is no queue");
    let mut sub = case.open().await;
    case.enqueue_in("later", Duration::from_secs(60)).await;
    assert!(!has_job().await, "it waits for its time");
    case.enqueue("a").await;
    case.enqueue("b").await;
    assert!(has_job().await);
    let running = case.next_delivery(&mut sub).await;
    assert!(has_job().await, "the second one");
    let until = case.now() + Duration::from_secs(60);
    case.transport.pause(&case.queue, until).await.unwrap();
    assert!(!has_job().await, "paused");
    case.transport.resume(&case.queue).await.unwrap();
    case.client.set_queue_limit(&case.queue, Some(1)).await.unwrap();
    assert!(!has_job().await, "its limit is reached");
    case.complete(&running).await;
    case.complete(&case.next_delivery(&mut sub).await).await;
    assert!(!has_job().await, "all have ended");
}

pub async fn a_pause_ends_by_itself(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let until = case.now() + Duration::from_secs(1);
    case.transport.pause(&case.queue, until).await.unwrap();
    case.enqueue("a").await;
    case.next_delivery(&mut sub).await;
    assert!(case.now() >= until);
}

pub async fn a_purge_removes_pending_running_and_waiting_jobs(subject: &dyn Subject) {
    let case = Case::new(subject);
    let other = Case::new(subject);
    let mut sub = case.open().await;
    for name in ["a", "b", "dead"] {
        case.enqueue(name).await;
    }
    other.enqueue("a").await;
    let mut held = case.next_deliveries(&mut sub, 3).await;
    let dead = held.remove(2);
    case.settle(&dead, &case.dead(&dead, "Error")).await;
    case.expect_places("dead", &[Place::Dead]).await;
    case.enqueue_in("c", Duration::from_millis(500)).await;
    case.enqueue("d").await;
    let keys = ["a", "b"].map(|name| case.key(name));
    assert_eq!(case.transport.purged_at(&keys).await.unwrap(), [None; 2]);
    let stored_at = held[0].stored.stored_at;
    assert_eq!(case.transport.purge(&case.queue).await.unwrap(), 4);
    let purged = case.transport.purged_at(&keys).await.unwrap();
    assert!(purged.iter().all(|at| at.unwrap() >= stored_at), "{purged:?} {stored_at}");
    case.expect_nothing(&mut sub, case.lease() + BRIEF).await;
    case.expect_places("a", &[]).await;
    case.expect_places("c", &[]).await;
    // Jobs that have ended stay, and so do jobs of other queues.
    case.expect_places("dead", &[Place::Dead]).await;
    other.expect_places("a", &[Place::Queue]).await;
    // The queue continues to work.
    case.enqueue("e").await;
    assert_eq!(case.next_delivery(&mut sub).await.stored.key, case.key("e"));
}

pub async fn a_purge_frees_the_ids_of_its_jobs(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let chosen = |name: &str| chosen(&case, name);
    for name in ["a", "done"] {
        let receipt = case.transport.publish(chosen(name)).await.unwrap();
        assert!(matches!(receipt, Receipt::Stored(_)), "{receipt:?}");
    }
    let done = case.next_deliveries(&mut sub, 2).await.remove(1);
    case.settle(&done, &case.record(&done)).await;
    assert!(case.transport.purge(&case.queue).await.unwrap() > 0);
    let again = vec![chosen("done"), chosen("a")];
    let receipts = case.transport.publish_many(again).await;
    let receipts: Vec<_> = receipts.into_iter().map(Result::unwrap).collect();
    // The record says that `done` has ended.
    assert_eq!(receipts[0], Receipt::Duplicate);
    assert!(matches!(receipts[1], Receipt::Stored(_)), "{receipts:?}");
    assert_eq!(case.transport.publish(chosen("a")).await.unwrap(), Receipt::Duplicate);
    assert_eq!(case.next_delivery(&mut sub).await.stored.key, case.key("a"));
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn the_purge_of_one_job_is_known_and_frees_its_id(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let keys = ["a", "b"].map(|name| case.key(name));
    for name in ["a", "b"] {
        case.transport.publish(chosen(&case, name)).await.unwrap();
    }
    let held = case.next_deliveries(&mut sub, 2).await;
    let (a, b) = if held[0].stored.key == keys[0] { (0, 1) } else { (1, 0) };
    assert!(case.transport.remove(&held[a].stored).await.unwrap());
    case.transport.note_purge(&keys[0]).await.unwrap();
    let purged = case.transport.purged_at(&keys).await.unwrap();
    assert!(purged[0].unwrap() >= held[a].stored.stored_at, "{purged:?}");
    assert_eq!(purged[1], None);
    for (name, is_free) in [("a", true), ("b", false)] {
        let receipt = case.transport.publish(chosen(&case, name)).await.unwrap();
        assert_eq!(matches!(receipt, Receipt::Stored(_)), is_free, "{name}: {receipt:?}");
    }
    // The new job is stored after the purge.
    let again = case.next_delivery(&mut sub).await;
    assert!(again.stored.stored_at >= purged[0].unwrap());
    case.settle(&held[b], &case.record(&held[b])).await;
}

/// A job whose id its producer chose.
fn chosen(case: &Case, name: &str) -> Submission {
    Submission {
        key: case.key(name),
        due_at: None,
        dedup: name.to_owned(),
        unique: true,
        message: WireMessage::new(r#"{"task":"t"}"#.into()),
    }
}

pub async fn a_removal_removes_exactly_its_message(subject: &dyn Subject) {
    let case = Case::new(subject);
    case.enqueue_in("a", Duration::from_secs(60)).await;
    case.enqueue("b").await;
    let waiting = case.transport.locate(&case.key("a")).await.unwrap().remove(0);
    assert!(case.transport.remove(&waiting).await.unwrap());
    assert!(!case.transport.remove(&waiting).await.unwrap(), "it is gone");
    case.expect_places("a", &[]).await;
    case.expect_places("b", &[Place::Queue]).await;
    // A newer message on the same subject stays.
    let old = case.transport.locate(&case.key("b")).await.unwrap().remove(0);
    case.json("b", r#"{"task":"t"}"#).await;
    assert!(case.transport.remove(&old).await.unwrap());
    let left = case.transport.locate(&case.key("b")).await.unwrap();
    assert!(left.len() == 1 && left[0].seq > old.seq);
}

pub async fn a_signal_reaches_all_listeners(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut listeners = Vec::new();
    for _ in 0..3 {
        listeners.push(case.transport.signals().await.unwrap());
    }
    let signal = Signal::Cancel { queue: case.queue.clone(), id: case.key("a").id, nonce: None };
    case.transport.signal(&signal).await.unwrap();
    for listener in &mut listeners {
        // Skips the signals of other tests.
        while listener.next().await.unwrap() != signal {}
    }
}

pub async fn a_limited_queue_delivers_no_more_at_once_and_the_limit_changes_at_once(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let (mut one, mut two) = (case.open().await, case.open().await);
    let limit = |n| case.transport.set_limit(&case.queue, NonZeroU64::new(n));
    limit(3).await.unwrap();
    for name in ["a", "b", "c", "d", "e", "f"] {
        case.enqueue(name).await;
    }
    let mut held = case.next_deliveries(&mut one, 2).await;
    // The limit counts the jobs of all workers together.
    held.push(case.next_delivery(&mut two).await);
    case.expect_nothing(&mut two, BRIEF).await;
    let info = case.transport.queue_info(&case.queue).await.unwrap().unwrap();
    assert_eq!((info.concurrency_limit, info.running, info.pending), (Some(3), 3, 3));
    // Each job that ends lets one more start.
    case.complete(&held.remove(0)).await;
    held.push(case.next_delivery(&mut two).await);
    for delivery in &held {
        delivery.handle.renew().await.unwrap();
    }
    case.expect_nothing(&mut two, BRIEF).await;
    // A lower limit stops no running job; a higher one applies at once.
    limit(1).await.unwrap();
    case.complete(&held.remove(0)).await;
    case.expect_nothing(&mut two, BRIEF).await;
    limit(0).await.unwrap();
    held.extend(case.next_deliveries(&mut two, 2).await);
    let info = case.transport.queue_info(&case.queue).await.unwrap().unwrap();
    assert_eq!((info.concurrency_limit, info.pending), (None, 0));
    // A subscription that is opened later knows the limit.
    limit(2).await.unwrap();
    let later = case.open().await;
    assert_eq!((later.limit(), later.lease()), (Some(2), case.lease()));
}

pub async fn a_full_queue_refuses_new_jobs_and_stores_the_retries_of_its_jobs(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let max_jobs = |n| QueueBound { max_jobs: NonZeroU64::new(n), max_bytes: None };
    case.transport.set_bound(&case.queue, max_jobs(3)).await.unwrap();
    let info = case.transport.queue_info(&case.queue).await.unwrap().unwrap();
    assert_eq!(info.bound, max_jobs(3));
    let send = async |name: &str| case.client.enqueue_task("t", &()).unwrap().id(name).await;
    for name in ["a", "b", "c"] {
        send(name).await.unwrap();
    }
    let refused = send("d").await;
    let Err(EnqueueError::Transport(TransportError::QueueFull { queue, bound, jobs: 3, .. })) =
        refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!((queue, bound), (case.queue.clone(), max_jobs(3)));
    // A job that is stored already is no new job.
    assert!(send("b").await.unwrap().is_duplicate());
    // The jobs of the queue go on: one is retried, one is given back, one ends.
    let held = case.next_deliveries(&mut sub, 3).await;
    case.settle(&held[0], &case.retry(&held[0], Duration::from_secs(60))).await;
    case.settle(&held[1], &case.give_back(&held[1])).await;
    case.complete(&held[2]).await;
    // Several at once: the queue takes as many as it has room for.
    let mut sent = Vec::new();
    for _ in 0..20 {
        let jobs = ["e", "f", "g"].map(|name| case.client.enqueue_task("t", &()).unwrap().id(name));
        sent = case.client.enqueue_many(jobs).await;
        if sent.iter().any(Result::is_ok) {
            break;
        }
        // A process may read the size of a full queue only every so often.
        case.advance(BRIEF).await;
    }
    let stored: Vec<_> = sent.iter().map(Result::is_ok).collect();
    assert_eq!(stored, [true, false, false], "{sent:?}");
    // Without the bound it takes all.
    case.transport.set_bound(&case.queue, QueueBound::default()).await.unwrap();
    send("d").await.unwrap();
}

pub async fn a_queue_is_full_by_its_bytes_too(subject: &dyn Subject) {
    let case = Case::new(subject);
    drop(case.open().await);
    let bound = QueueBound { max_jobs: None, max_bytes: NonZeroU64::new(1) };
    case.transport.set_bound(&case.queue, bound).await.unwrap();
    case.enqueue("a").await;
    let refused = case.client.enqueue_task("t", &()).unwrap().await.expect_err("the queue is full");
    assert!(matches!(refused, EnqueueError::Transport(TransportError::QueueFull { .. })));
}

pub async fn an_unknown_queue_cannot_be_limited(subject: &dyn Subject) {
    let case = Case::new(subject);
    let refused = case.transport.set_limit(&case.queue, NonZeroU64::new(1)).await;
    assert!(matches!(refused, Err(TransportError::NoQueue(_))), "{refused:?}");
    let refused = case.transport.set_bound(&case.queue, QueueBound::default()).await;
    assert!(matches!(refused, Err(TransportError::NoQueue(_))), "{refused:?}");
}

pub async fn a_worker_is_drained_by_its_id_and_no_other(subject: &dyn Subject) {
    let case = Case::new(subject);
    let worker_id = WorkerId::new(JobId::random()).unwrap();
    let refused = case.client.drain_worker(&worker_id).await;
    assert!(matches!(refused, Err(ClientError::NoWorker(_))), "{refused:?}");
    let mut signals = case.transport.signals().await.unwrap();
    let worker = WorkerInfo {
        worker_id: worker_id.clone(),
        status: WorkerStatus::Idle,
        queues: vec![case.queue.clone()],
        concurrency: 1,
        running: 0,
        hostname: "host".into(),
        pid: 1,
        version: "0.0.0".into(),
        started_at: case.now(),
        heartbeat_at: case.now(),
        finished: 0,
        failed: 0,
        signed: Vec::new(),
    };
    case.transport.heartbeat(&worker, Duration::from_secs(30)).await.unwrap();
    assert_eq!(case.client.drain_worker(&worker_id).await.unwrap().worker_id, worker_id);
    let expected = Signal::Drain { worker: worker_id.clone() };
    // Skips the signals of other tests.
    while signals.next().await.unwrap() != expected {}
    case.transport.leave(&worker_id).await.unwrap();
}

pub async fn a_task_is_paused_in_one_queue_until_it_is_resumed(subject: &dyn Subject) {
    let case = Case::new(subject);
    let other = QueueName::new(JobId::random()).unwrap();
    let task = |name: &str| TaskName::new(name).unwrap();
    let paused = async || {
        let mut all = case.client.paused_tasks().await.unwrap();
        // Skips the pauses of other tests.
        all.retain(|pause| [&case.queue, &other].contains(&&pause.queue));
        all.into_iter().map(|pause| (pause.queue, pause.task.to_string())).collect::<Vec<_>>()
    };
    let until = case.now() + Duration::from_secs(2);
    let pause = async |queue: &QueueName, name: &str, until| {
        case.client.pause_task(queue, &task(name), until, "ann", "why").await.unwrap()
    };
    let first = pause(&case.queue, "a.b:c/d", None).await;
    assert_eq!((first.until, first.who.as_str(), first.reason.as_str()), (None, "ann", "why"));
    pause(&case.queue, "b", Some(until)).await;
    pause(&other, "b", None).await;
    let mut both = [(case.queue.clone(), "b".to_owned()), (other.clone(), "b".to_owned())];
    both.sort();
    let mut seen = paused().await;
    seen.retain(|(_, name)| name == "b");
    assert_eq!(seen, both);
    // A second pause replaces the first. A pause until a time in the past removes it.
    pause(&other, "b", Some(case.now())).await;
    assert_eq!(paused().await.len(), 2);
    assert!(case.client.resume_task(&case.queue, &task("a.b:c/d")).await.unwrap());
    assert!(!case.client.resume_task(&case.queue, &task("a.b:c/d")).await.unwrap());
    assert_eq!(paused().await, [(case.queue.clone(), "b".to_owned())]);
    case.advance(Duration::from_secs(3)).await;
    assert_eq!(paused().await, [], "its time has passed");
}

pub async fn the_audit_log_is_read_newest_first_in_pages(subject: &dyn Subject) {
    let case = Case::new(subject);
    let who = format!("ann@{}", case.queue);
    for n in 0..5 {
        let entry = AuditEntry::new(&who, "purge", format!("job {n}")).count(n).reason("tests");
        case.client.audit(entry).await.unwrap();
        case.advance(Duration::from_millis(5)).await;
    }
    let (mut own, mut query) = (Vec::new(), AuditQuery { before: None, limit: 2 });
    loop {
        let page = case.client.audit_log(&query).await.unwrap();
        assert!(page.entries.len() <= 2);
        assert!(page.entries.is_sorted_by(|a, b| a.id > b.id));
        // Skips the entries of other tests.
        own.extend(page.entries.into_iter().filter(|entry| entry.who == who));
        query.before = page.next;
        if query.before.is_none() || own.len() == 5 {
            break;
        }
    }
    let found: Vec<_> = own.iter().map(|entry| (entry.scope.as_str(), entry.count)).collect();
    let expected: Vec<_> = (0..5).rev().map(|n| (format!("job {n}"), Some(n))).collect();
    assert_eq!(found, expected.iter().map(|(s, n)| (s.as_str(), *n)).collect::<Vec<_>>());
    assert!(own.iter().all(|entry| entry.what == "purge" && entry.reason == "tests"));
    let check = case.client.verify_audit_log().await.unwrap();
    assert!(check.entries >= 5 && check.faults.is_empty(), "{check:?}");
}

pub async fn operators_who_write_the_audit_log_at_once_write_one_chain(subject: &dyn Subject) {
    let case = Case::new(subject);
    let who = format!("many@{}", case.queue);
    let before = case.client.verify_audit_log().await.unwrap().entries;
    let mut writes = tokio::task::JoinSet::new();
    for n in 0..8 {
        let entry = AuditEntry::new(&who, "pause", format!("{n}"));
        let client = case.client.clone();
        writes.spawn(async move { client.audit(entry).await.unwrap() });
    }
    let written = writes.join_all().await;
    let first = written.iter().filter(|entry| entry.prev.is_none()).count();
    assert!(first <= 1, "{written:?}");
    let check = case.client.verify_audit_log().await.unwrap();
    assert!(check.entries >= before + 8 && check.faults.is_empty(), "{check:?}");
}
