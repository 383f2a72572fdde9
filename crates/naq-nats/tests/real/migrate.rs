//! Schemas of streams, and the migration of those that an earlier version of NAQ made.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream;
use async_nats::jetstream::stream::Config;
use bytes::Bytes;
use naq_core::transport::{
    Consumer, Directory, Expect, Lookup, Operator, Producer, QueueBound, Saved, StateKey,
    StateStore, StreamRole, TransportError, WorkerInfo,
};
use naq_core::{Clock, SystemClock};
use naq_nats::{Level, MigrateError, NatsConfig, NatsTransport, SchemaStatus};
use naq_testing::{eventually, shared_server, unique};

use crate::support::{LEASE, TIME_LIMIT, connect_as, enqueue, job, queue, subscribe};

const SCHEMA: &str = "naq_schema";

/// One installation of NAQ, and an operator who changes its streams by hand.
struct Installation {
    prefix: String,
    operator: jetstream::Context,
    client: async_nats::Client,
}

impl Installation {
    async fn new() -> Self {
        let client = async_nats::connect(shared_server().url()).await.expect("connects");
        Self { prefix: unique("t"), operator: jetstream::new(client.clone()), client }
    }

    async fn connect(&self) -> NatsTransport {
        connect_as(&shared_server().url(), self.prefix.clone()).await
    }

    fn stream(&self, name: &str) -> String {
        format!("{}_{name}", self.prefix.to_uppercase())
    }

    async fn config(&self, name: &str) -> Config {
        let stream = self.operator.get_stream(self.stream(name)).await.expect("there");
        stream.cached_info().config.clone()
    }

    async fn change(&self, name: &str, change: impl FnOnce(&mut Config)) {
        let mut config = self.config(name).await;
        change(&mut config);
        self.operator.update_stream(&config).await.expect("changes");
    }

    /// The stream of the state store as commit a552f55 makes it.
    async fn create_old_state(&self) {
        let old = Config {
            name: self.stream("STATE"),
            subjects: vec![format!("{}.k.>", self.prefix)],
            duplicate_window: Duration::from_secs(120),
            allow_direct: true,
            allow_message_ttl: true,
            max_messages_per_subject: 1,
            subject_delete_marker_ttl: Some(Duration::from_secs(1)),
            ..Config::default()
        };
        self.operator.create_stream(old).await.expect("creates");
    }

    /// All streams as an earlier version leaves them: a queue, and those that its first worker makes.
    async fn create_old_streams(&self) -> NatsTransport {
        self.create_old_state().await;
        let transport = self.connect().await;
        transport.create_queue(&queue()).await.expect("creates the streams");
        for name in NAMES.into_iter().filter(|name| *name != "STATE") {
            self.change(name, |config| {
                config.metadata.remove(SCHEMA);
            })
            .await;
        }
        transport
    }

    /// An entry of the directory as an earlier version of NAQ writes it.
    async fn old_heartbeat(&self, worker: &WorkerInfo) {
        let subject = format!("{}.w.{}", self.prefix, worker.worker_id);
        let mut headers = HeaderMap::new();
        headers.insert("Nats-TTL", "60s");
        let body = serde_json::to_vec(worker).expect("JSON").into();
        let stored = self.operator.publish_with_headers(subject, headers, body).await;
        stored.expect("sends").await.expect("stored");
    }

    async fn written(&self, name: &str) -> Option<String> {
        self.config(name).await.metadata.get(SCHEMA).cloned()
    }
}

/// The streams of an installation with one queue.
const NAMES: [&str; 10] = [
    "DEAD",
    "RECORDS",
    "WORKERS",
    "STATE",
    "KEYS",
    "AUDIT",
    "BLOBS",
    "STATS",
    "Q_default",
    "Q_naq-chores",
];

fn worker(id: &str) -> WorkerInfo {
    let now = SystemClock.now();
    serde_json::from_value(serde_json::json!({
        "worker_id": id, "status": "idle", "queues": ["default"], "concurrency": 1, "running": 0,
        "hostname": "here", "pid": 1, "version": "0.1.0", "started_at": now, "heartbeat_at": now,
    }))
    .expect("a worker")
}

fn key(text: &str) -> StateKey {
    StateKey::new(["test", text]).expect("a key")
}

async fn put(state: &NatsTransport, name: &str, value: &'static [u8]) {
    let ttl = None;
    let saved = state.state_put(&key(name), Bytes::from_static(value), Expect::Any, ttl).await;
    assert!(matches!(saved, Ok(Saved::Stored(_))), "{saved:?}");
}

async fn get(state: &NatsTransport, name: &str) -> Option<Bytes> {
    let found = state.state_get(&[key(name)]).await.expect("reads").remove(0);
    found.map(|entry| entry.value)
}

/// The status of each stream, by the end of its name.
async fn statuses(transport: &NatsTransport) -> HashMap<String, SchemaStatus> {
    let plans = transport.migration_plans().await.expect("plans");
    let row = |plan: naq_nats::StreamPlan| {
        let (_, name) = plan.stream.split_once('_').expect("a prefix");
        (name.to_owned(), plan.status)
    };
    plans.into_iter().map(row).collect()
}

async fn migrate_all(transport: &NatsTransport) -> usize {
    let mut changed = 0;
    for plan in transport.migration_plans().await.expect("plans") {
        let done = transport.migrate_stream(&plan.role).await.expect("changes it");
        assert_eq!(done, plan.is_due(), "{plan:?}");
        changed += usize::from(done);
    }
    changed
}

#[tokio::test]
async fn new_streams_say_their_schema_and_need_no_migration() {
    let here = Installation::new().await;
    let transport = here.connect().await;
    transport.create_queue(&queue()).await.expect("creates the streams");
    for name in NAMES {
        let expected = if name == "STATE" { "2" } else { "1" };
        assert_eq!(here.written(name).await.as_deref(), Some(expected), "{name}");
    }
    let found = statuses(&transport).await;
    assert_eq!(found.len(), NAMES.len(), "{found:?}");
    assert!(found.values().all(|status| *status == SchemaStatus::Current), "{found:?}");
    assert_eq!(migrate_all(&transport).await, 0);
}

#[tokio::test]
async fn an_old_state_stream_is_migrated_and_its_entries_stay() {
    let here = Installation::new().await;
    here.create_old_state().await;
    here.change("STATE", |config| {
        config.metadata.insert("of_a_team".into(), "mail".into());
        config.description = Some("ours".into());
    })
    .await;
    let state = here.connect().await;
    put(&state, "a", b"1").await;
    put(&state, "a", b"2").await;
    put(&state, "gone", b"x").await;
    state.state_remove(&key("gone"), Expect::Any).await.expect("removes");
    let ttl = Some(Duration::from_secs(1));
    let expires = Bytes::from_static(b"x");
    state.state_put(&key("expires"), expires, Expect::Any, ttl).await.expect("stores");

    assert_eq!(statuses(&state).await["STATE"], SchemaStatus::Behind);
    let before = state.diagnose().await;
    let before = before.iter().find(|it| it.check.ends_with("_STATE")).expect("checked");
    let next = before.next_step.as_deref().unwrap_or_default();
    assert!(before.level == Level::Fail && next.starts_with("naq migrate"), "{before:?}");

    assert!(state.migrate_stream(&StreamRole::State).await.expect("changes it"));
    let config = here.config("STATE").await;
    assert_eq!(config.max_messages_per_subject, -1);
    assert!(config.allow_rollup && config.allow_message_ttl && config.allow_direct);
    assert_eq!(config.metadata.get("of_a_team").map(String::as_str), Some("mail"));
    assert_eq!(config.description.as_deref(), Some("ours"));
    assert_eq!(get(&state, "a").await.as_deref(), Some(&b"2"[..]));
    assert_eq!(get(&state, "gone").await, None);
    let after = state.diagnose().await;
    let after = after.iter().find(|it| it.check.ends_with("_STATE")).expect("checked");
    assert!(after.level == Level::Ok && after.detail.ends_with("schema 2"), "{after:?}");
    // Each write rolls up its subject, and the entries still expire.
    put(&state, "a", b"3").await;
    put(&state, "a", b"4").await;
    eventually("one message is left", TIME_LIMIT, async || {
        let stream = here.operator.get_stream(here.stream("STATE")).await.expect("there");
        let messages = stream.cached_info().state.messages;
        let expired = get(&state, "expires").await.is_none();
        if expired && messages <= 2 { Ok(()) } else { Err(messages) }
    })
    .await;
    assert_eq!(get(&state, "a").await.as_deref(), Some(&b"4"[..]));
    assert!(
        !state.migrate_stream(&StreamRole::State).await.expect("looks"),
        "nothing is left to do"
    );
}

#[tokio::test]
async fn a_plan_changes_nothing() {
    let here = Installation::new().await;
    let transport = here.create_old_streams().await;
    let mut before = Vec::new();
    for name in NAMES {
        before.push(here.config(name).await);
    }
    let found = statuses(&transport).await;
    for (name, before) in NAMES.into_iter().zip(before) {
        assert_eq!(here.config(name).await, before, "{name}");
        let expected = match name {
            "STATE" => SchemaStatus::Behind,
            _ => SchemaStatus::NotWritten,
        };
        assert_eq!(found[name], expected, "{name}");
    }
}

#[tokio::test]
async fn a_migration_that_ended_between_two_streams_is_repeated() {
    let here = Installation::new().await;
    let transport = here.create_old_streams().await;
    put(&transport, "a", b"1").await;
    enqueue(&transport, "job").await;
    let plans = transport.migration_plans().await.expect("plans");
    for plan in &plans[..4] {
        assert!(transport.migrate_stream(&plan.role).await.expect("changes it"), "{plan:?}");
    }
    drop(transport);
    let again = here.connect().await;
    let found = statuses(&again).await;
    let current = found.values().filter(|status| **status == SchemaStatus::Current).count();
    assert_eq!((current, found.len()), (4, 10), "{found:?}");
    assert_eq!(migrate_all(&again).await, 6);
    assert_eq!(migrate_all(&again).await, 0);
    assert_eq!(get(&again, "a").await.as_deref(), Some(&b"1"[..]));
    let info = again.queue_info(&queue()).await.expect("described").expect("there");
    assert_eq!(info.pending, 1);
}

#[tokio::test]
async fn a_worker_that_does_not_know_the_new_schema_holds_up_only_what_would_harm_it() {
    let here = Installation::new().await;
    let transport = here.create_old_streams().await;
    transport.heartbeat(&worker("new"), TIME_LIMIT).await.expect("stores");
    here.old_heartbeat(&worker("old")).await;
    let refused = transport.migrate_stream(&StreamRole::State).await.expect_err("an older worker");
    let MigrateError::OlderWorkers { workers, needed: 2, .. } = &refused else {
        panic!("{refused}");
    };
    let ids: Vec<_> = workers.iter().map(|older| (older.worker.as_str(), older.knows)).collect();
    assert_eq!(ids, [("old", 1)]);
    assert!(refused.to_string().contains("old (0.1.0, knows 1)"), "{refused}");
    assert_eq!(here.config("STATE").await.max_messages_per_subject, 1);
    let plans = transport.migration_plans().await.expect("plans");
    for plan in &plans {
        assert_eq!(
            plan.older_workers.len(),
            usize::from(plan.role == StreamRole::State),
            "{plan:?}"
        );
    }
    assert!(transport.migrate_stream(&StreamRole::Dead).await.expect("harms no worker"));

    transport.leave(&worker("old").worker_id).await.expect("leaves");
    assert!(transport.migrate_stream(&StreamRole::State).await.expect("changes it"));
    // One that starts afterwards is named by the diagnosis.
    here.old_heartbeat(&worker("late")).await;
    let found = transport.diagnose().await;
    let late = found.iter().find(|it| it.check == "worker late").expect("named");
    assert!(late.level == Level::Warn && late.detail.contains("knows schema 1"), "{late:?}");
    assert!(found.iter().all(|it| it.check != "worker new"), "{found:?}");
}

fn assert_newer<T: std::fmt::Debug>(answer: Result<T, TransportError>, what: &str) {
    match answer {
        Err(TransportError::NewerSchema { found: 9, .. }) => {}
        other => panic!("{what}: {other:?}"),
    }
}

#[tokio::test]
async fn a_queue_with_a_newer_schema_is_refused_and_not_changed() {
    let here = Installation::new().await;
    enqueue(&here.connect().await, "one").await;
    here.change("Q_default", |config| {
        config.metadata.insert(SCHEMA.into(), "9".into());
    })
    .await;
    let before = here.config("Q_default").await;
    let mut config = NatsConfig::new(shared_server().url()).prefix(here.prefix.clone());
    config.replicas = 1;
    let transport = NatsTransport::connect(config).await.expect("connects");
    assert_newer(transport.publish(job("two", None)).await, "enqueue");
    assert_newer(transport.subscribe(&queue(), LEASE).await.map(drop), "a worker");
    assert_newer(transport.set_bound(&queue(), QueueBound::default()).await, "a bound");
    let role = StreamRole::Queue(queue());
    match transport.migrate_stream(&role).await {
        Err(MigrateError::Transport(error)) => assert_newer(Err::<(), _>(error), "a migration"),
        other => panic!("{other:?}"),
    }
    assert_eq!(statuses(&transport).await["Q_default"], SchemaStatus::Newer);
    let found = transport.diagnose().await;
    let stream = found.iter().find(|it| it.check.ends_with("_Q_default")).expect("checked");
    assert!(stream.level == Level::Fail && stream.detail.contains("schema 9"), "{stream:?}");
    assert_eq!(here.config("Q_default").await, before);
    // What reads goes on.
    let info = transport.queue_info(&queue()).await.expect("described").expect("there");
    assert_eq!(info.pending, 1);
}

#[tokio::test]
async fn a_state_store_with_a_newer_schema_is_not_written_to() {
    let here = Installation::new().await;
    let first = here.connect().await;
    put(&first, "a", b"1").await;
    drop(subscribe(&first).await);
    here.change("STATE", |config| {
        config.metadata.insert(SCHEMA.into(), "9".into());
    })
    .await;
    let transport = here.connect().await;
    let put = transport.state_put(&key("a"), Bytes::from_static(b"2"), Expect::Any, None).await;
    assert_newer(put, "an entry");
    assert_newer(transport.state_remove(&key("a"), Expect::Any).await, "a removal");
    assert_newer(transport.subscribe(&queue(), LEASE).await.map(drop), "a worker");
    assert_eq!(get(&transport, "a").await.as_deref(), Some(&b"1"[..]), "reads go on");
    let mut config = NatsConfig::new(shared_server().url()).prefix(here.prefix.clone());
    config.replicas = 1;
    let operator = NatsTransport::connect(config).await.expect("connects");
    let fixed = operator.fix_replicas().await;
    let text = fixed.iter().map(|it| it.detail.clone()).collect::<Vec<_>>().join("; ");
    assert!(fixed[0].level == Level::Fail && text.contains("schema 9"), "{fixed:?}");
    let _ = here.client.flush().await;
}
