//! The permissions in docs/operating.md are enough for each role, and allow nothing else.

use std::sync::Arc;
use std::time::Duration;

use naq_client::{AuditQuery, BatchAction, BatchOrder, BatchScope, Client, DeadFilter};
use naq_core::transport::{
    BlobRef, Blobs, Consumer, Directory, Expect, Fact, Lookup, Operator, Producer, Saved, Settler,
    Signal, StateKey, StateStore, TransportError, WorkerInfo, WorkerStatus, Written,
};
use naq_core::{Clock, QueueName, SystemClock, WorkerId};
use naq_nats::{Auth, Level, NatsConfig, NatsTransport};
use naq_testing::NatsServer;

use crate::support::{LEASE, TIME_LIMIT, fetch, job, key};

const PAGE: &str = include_str!("../../../../docs/operating.md");

/// A server with the configuration block of the page, and with passwords. The user `observer`, who is not in
/// the block, may do everything.
pub(crate) fn server() -> NatsServer {
    let (_, rest) = PAGE.split_once("```text acl\n").expect("the page has the block");
    let (acl, _) = rest.split_once("\n```").expect("the block has an end");
    let mut acl = acl.to_owned();
    for role in ["admin", "producer", "worker", "operator"] {
        acl = acl.replace(&format!("${}_PASSWORD", role.to_uppercase()), &format!("\"{role}-pw\""));
    }
    acl = acl.replacen("users: [", "users: [ { user: observer, password: \"x\" }", 1);
    NatsServer::builder().config(&acl).start().expect("a server with the permissions of the page")
}

pub(crate) async fn connect(server: &NatsServer, role: &str) -> NatsTransport {
    let auth = Auth::UserPassword { user: role.into(), password: format!("{role}-pw").into() };
    let mut config = NatsConfig::new(server.url()).auth(auth);
    config.inbox_prefix = format!("_INBOX_{role}");
    NatsTransport::connect(config).await.expect(role)
}

fn mail() -> QueueName {
    QueueName::new("mail").expect("a name")
}

pub(crate) fn in_mail(id: &str) -> naq_core::transport::Submission {
    let mut job = job(id, None);
    job.key.queue = mail();
    job
}

fn worker_info() -> WorkerInfo {
    let now = SystemClock.now();
    WorkerInfo {
        worker_id: WorkerId::new("w1").expect("an id"),
        status: WorkerStatus::Idle,
        queues: vec![mail()],
        concurrency: 1,
        running: 0,
        hostname: "h".into(),
        pid: 1,
        version: "0".into(),
        started_at: now,
        heartbeat_at: now,
        finished: 0,
        failed: 0,
        signed: Vec::new(),
    }
}

fn subject_of(error: TransportError) -> String {
    match error {
        TransportError::Permission { subject } => subject,
        other => panic!("not a refusal: {other}"),
    }
}

#[tokio::test]
async fn each_role_does_its_work_and_nothing_else() {
    let server = server();
    let worker = connect(&server, "worker").await;
    let refused = worker.subscribe(&mail(), LEASE).await.err().map(|e| e.to_string());
    assert!(refused.is_some_and(|text| text.contains("no queue \"mail\"")), "creates nothing");

    let admin = connect(&server, "admin").await;
    drop(admin.subscribe(&mail(), LEASE).await.expect("creates"));
    for part in ["key", "log"] {
        // Its first entry creates the stream of a part.
        let first = StateKey::new([part, "mail", "first"]).expect("a key");
        admin.state_put(&first, "x".into(), Expect::Any, None).await.expect("creates");
    }
    admin.heartbeat(&worker_info(), Duration::from_secs(1)).await.expect("creates");

    let producer = connect(&server, "producer").await;
    for id in ["done", "later", "dead", "back"] {
        producer.publish(in_mail(id)).await.expect("enqueues");
    }
    let mut delayed = in_mail("delayed");
    delayed.due_at = Some(SystemClock.now() + Duration::from_secs(60));
    producer.publish(delayed).await.expect("enqueues for later");
    let mut unique = in_mail("delayed");
    unique.unique = true;
    unique.dedup = "another".into();
    let receipt = producer.publish(unique).await.expect("reads");
    assert_eq!(receipt, naq_core::transport::Receipt::Duplicate);
    let refused = producer.publish(job("x", None)).await.expect_err("another queue");
    assert_eq!(subject_of(refused), "naq.q.default.x");
    let refused = producer.purge(&mail()).await.expect_err("only operators may purge");
    assert_eq!(subject_of(refused), "$JS.API.STREAM.PURGE.NAQ_Q_mail");

    let shared = |text: &str| StateKey::new(["breaker", text]).expect("a key");
    let put = producer.state_put(&shared("a"), "x".into(), Expect::Any, None).await;
    assert_eq!(subject_of(put.expect_err("only workers may do this")), "naq.k.breaker.a");
    let unique = StateKey::new(["key", "mail", "a"]).expect("a key");
    let put = producer.state_put(&unique, "x".into(), Expect::Absent, None).await;
    assert!(matches!(put, Ok(Saved::Stored(_))), "{put:?}");

    let mut end = producer.watch_end(&in_mail("done").key).await.expect("listens");
    work(&worker).await;
    use_state_store(&worker, "worker").await;
    let changed = tokio::time::timeout(LEASE, end.changed(TIME_LIMIT)).await;
    changed.expect("the end is reported");
    store_large_result(&admin, &worker, &producer).await;

    let operator = connect(&server, "operator").await;
    use_state_store(&operator, "operator").await;
    operate(&operator).await;
    let found = operator.diagnose().await;
    let wrong: Vec<_> = found.iter().filter(|f| f.level == Level::Fail).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let allowed = found.iter().find(|f| f.check.starts_with("publish to naq.d")).expect("checked");
    assert_eq!(allowed.level, Level::Ok, "an undo stores the dead letter again");
}

pub(crate) async fn work(worker: &NatsTransport) {
    let mut queue = worker.subscribe(&mail(), LEASE).await.expect("subscribes");
    worker.heartbeat(&worker_info(), Duration::from_secs(30)).await.expect("enters");
    let mut deliveries = fetch(&mut queue, 4).await;
    deliveries.sort_by_key(|delivery| delivery.stored.seq);
    for (n, delivery) in deliveries.iter().enumerate() {
        delivery.handle.renew().await.expect("renews");
        let stored = &delivery.stored;
        let envelope = delivery.envelope().expect("a job");
        let fact = match n {
            0 => Fact::record(
                stored,
                &naq_core::FinalRecord {
                    envelope,
                    state: naq_core::JobState::Completed,
                    finished_at: SystemClock.now(),
                    result: None,
                },
            )
            .expect("a fact")
            .expect("a record"),
            1 => {
                let due_at = SystemClock.now() + Duration::from_secs(60);
                Fact::retry(stored, &envelope, due_at).expect("a fact")
            }
            2 => Fact::dead(stored, &stored.dead_letter()),
            _ => Fact::give_back(stored, None).expect("a fact"),
        };
        assert_eq!(worker.write(&fact).await.expect("settles"), Written::Stored);
        delivery.handle.ack().await.expect("acks");
    }
    let back = fetch(&mut queue, 1).await.remove(0);
    assert_eq!(back.stored.key.id.as_str(), "back");
    let evidence = worker.evidence(std::slice::from_ref(&back.stored.key)).await.expect("checks");
    assert_eq!(evidence[0].len(), 1, "only its own message");
    back.handle.ack().await.expect("acks");
    assert!(worker.signals().await.is_ok());
    worker.leave(&worker_info().worker_id).await.expect("leaves");
    // If an ack was not allowed, its job comes back.
    let again = queue.fetch(1, LEASE + Duration::from_secs(1)).await.expect("asks");
    assert!(again.is_empty(), "{again:?}");
}

/// A large result: the admin creates its stream, workers write to it.
async fn store_large_result(
    admin: &NatsTransport,
    worker: &NatsTransport,
    producer: &NatsTransport,
) {
    let key = in_mail("done").key;
    let blob = BlobRef::new(3);
    let put = async |who: &NatsTransport| who.blob_put(&key, &blob, "abc".into(), TIME_LIMIT).await;
    let refused = put(worker).await.expect_err("creates nothing").to_string();
    assert!(refused.contains("NAQ_BLOBS"), "{refused}");
    put(admin).await.expect("creates");
    put(worker).await.expect("stores");
    let refused = subject_of(put(producer).await.expect_err("only workers may do this"));
    assert!(refused.starts_with("naq.b.mail.done."), "{refused}");
    for reader in [worker, producer] {
        assert_eq!(reader.blob_get(&key, &blob).await.expect("reads"), Some("abc".into()));
    }
}

pub(crate) async fn use_state_store(state: &NatsTransport, who: &str) {
    let prefix = StateKey::new(["limit", who]).expect("a key");
    let key = prefix.join("a").expect("a key");
    let mut watch = state.state_watch(&prefix).await.expect("watches");
    let put = state.state_put(&key, "x".into(), Expect::Absent, None).await.expect("stores");
    assert!(matches!(put, Saved::Stored(_)), "{put:?}");
    let change = watch.next().await.expect("a change");
    assert_eq!(state.state_get(std::slice::from_ref(&key)).await.expect("reads"), [change.entry]);
    assert_eq!(state.state_list(&prefix, 0, 10).await.expect("lists").entries.len(), 1);
    state.state_remove(&key, Expect::Any).await.expect("removes");
}

/// Runs a batch and undoes it, with an audit entry for each.
async fn requeue_and_undo(operator: &NatsTransport) {
    let client = Client::new(Arc::new(operator.clone()));
    let scope = BatchScope::Dead(DeadFilter::default());
    let order = BatchOrder::new(BatchAction::RequeueDead { per_second: None }, scope, "ann");
    let batch = client.start_batch(order).await.expect("starts");
    let batch = client.run_batch(&batch.id, || false).await.expect("runs");
    assert_eq!(batch.done, 1, "{batch:?}");
    let batch = client.undo_batch(&batch.id, "ann", || false).await.expect("is undone");
    assert_eq!(batch.undone, 1, "{batch:?}");
    assert_eq!(client.audit_log(&AuditQuery::default()).await.expect("reads").entries.len(), 2);
}

pub(crate) async fn operate(operator: &NatsTransport) {
    assert!(operator.queues().await.expect("lists").contains(&mail()));
    let info = operator.queue_info(&mail()).await.expect("reads").expect("there");
    assert_eq!((info.pending, info.running, info.waiting, info.dead), (0, 0, 2, 1));
    let dead = operator.dead_letters(None, 0, 10).await.expect("reads").letters;
    requeue_and_undo(operator).await;
    let again = operator.dead_letters(None, 0, 10).await.expect("reads").letters;
    assert!(again.len() == 1 && again[0].message.body == dead[0].message.body, "{again:?}");
    let dead = again;
    assert!(operator.remove(&dead[0]).await.expect("removes"));
    let mut later = key("later");
    later.queue = mail();
    let waiting = operator.locate(&later).await.expect("finds");
    assert!(operator.release(waiting.last().expect("it waits")).await.expect("releases"));
    assert_eq!(operator.find(&later.id).await.expect("finds"), [mail()]);
    let until = SystemClock.now() + Duration::from_secs(60);
    operator.pause(&mail(), until).await.expect("pauses");
    let info = operator.queue_info(&mail()).await.expect("reads").expect("there");
    assert_eq!(info.paused_until, Some(until));
    operator.resume(&mail()).await.expect("resumes");
    let signal = Signal::Cancel { queue: mail(), id: later.id, nonce: None };
    operator.signal(&signal).await.expect("signals");
    assert!(operator.workers().await.expect("lists").is_empty());
    assert_eq!(operator.purge(&mail()).await.expect("purges"), 2);
}
