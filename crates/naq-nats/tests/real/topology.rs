//! Streams and consumers that an operator has created, changed or removed.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::stream::Config;
use naq_core::transport::{Consumer, Lookup, Operator, Producer, TransportError};
use naq_core::{Clock, SystemClock, Timestamp};
use naq_nats::{Level, NatsConfig, NatsTransport};
use naq_testing::{NatsServer, shared_server, unique};

use crate::support::{LEASE, connect, enqueue, fetch, ids, job, queue, subscribe};

/// A stream that is made again sooner may lose its files to the removal.
const PAUSE: Duration = Duration::from_millis(900);

async fn with_prefix() -> (NatsTransport, jetstream::Context, String) {
    let prefix = unique("t");
    let url = shared_server().url();
    let config = NatsConfig::new(&url).prefix(&prefix);
    let transport = NatsTransport::connect(config).await.expect("connects");
    let client = async_nats::connect(&url).await.expect("connects");
    (transport, jetstream::new(client), prefix)
}

#[tokio::test]
async fn settings_of_an_operator_are_not_changed() {
    let (transport, operator, prefix) = with_prefix().await;
    drop(subscribe(&transport).await);
    let name = format!("{}_Q_default", prefix.to_uppercase());
    let stream = operator.get_stream(&name).await.expect("created");
    let mut config = stream.cached_info().config.clone();
    config.max_messages = 5000;
    operator.update_stream(&config).await.expect("edits");
    let from = transport.subscribe(&queue(), Duration::from_secs(77)).await.expect("opens");
    assert_eq!(from.lease(), LEASE, "the lease of the existing consumer, not the wanted one");
    let stream = operator.get_stream(&name).await.expect("still there");
    assert_eq!(stream.cached_info().config.max_messages, 5000);
}

#[tokio::test]
async fn the_diagnosis_says_which_streams_jetstream_refuses() {
    let accounts = "accounts { A { jetstream { max_streams: 1 }, users: [ { user: u, password: p } ] } }\n\
                    no_auth_user: u";
    let server = NatsServer::builder().config(accounts).start().expect("a server");
    let transport = connect(&server.url()).await;
    let refused = async || {
        let found = transport.diagnose().await.into_iter();
        let refused = found.filter(|f| f.detail.contains("JetStream refuses it"));
        refused.inspect(|f| assert_eq!(f.level, Level::Fail)).map(|f| f.check).collect::<Vec<_>>()
    };
    assert_eq!(refused().await, [""; 0], "one stream may be made");
    enqueue(&transport, "job").await;
    let found = refused().await;
    assert!(found.contains(&"a new queue".to_owned()), "{found:?}");
    assert!(found.iter().any(|check| check.ends_with("_RECORDS")), "{found:?}");
}

#[tokio::test]
async fn a_stream_without_the_needed_settings_is_refused_and_diagnosed() {
    let (transport, operator, prefix) = with_prefix().await;
    let name = format!("{}_Q_default", prefix.to_uppercase());
    let subjects = vec![format!("{prefix}.q.default.>"), format!("{prefix}.s.default.>")];
    let old = Config { name, subjects, ..Config::default() };
    operator.create_stream(old).await.expect("creates it");
    let refused = transport.subscribe(&queue(), LEASE).await.expect_err("settings are missing");
    assert!(matches!(refused, TransportError::Unsupported { .. }), "{refused}");
    assert!(refused.to_string().contains("allow_msg_schedules"), "{refused}");
    let found = transport.diagnose().await;
    let stream = found.iter().find(|f| f.check.contains("_Q_default")).expect("checked");
    assert_eq!(stream.level, Level::Fail);
}

#[tokio::test]
async fn a_queue_that_is_removed_while_a_worker_runs_is_created_again() {
    let (transport, operator, prefix) = with_prefix().await;
    let name = format!("{}_Q_default", prefix.to_uppercase());
    let mut from = subscribe(&transport).await;
    enqueue(&transport, "one").await;
    fetch(&mut from, 1).await.remove(0).handle.ack().await.expect("acks");

    let stream = operator.get_stream(&name).await.expect("there");
    stream.delete_consumer("workers").await.expect("removes");
    enqueue(&transport, "two").await;
    let two = fetch(&mut from, 1).await.remove(0);
    assert_eq!(two.stored.key.id.as_str(), "two");
    two.handle.ack().await.expect("acks");

    operator.delete_stream(&name).await.expect("removes");
    assert!(from.fetch(1, Duration::from_millis(800)).await.is_ok_and(|none| none.is_empty()));
    transport.publish(job("three", None)).await.expect("enqueues");
    assert_eq!(ids(&fetch(&mut from, 1).await), ["three"]);
}

#[tokio::test]
async fn a_queue_is_paused_and_limited_while_its_consumer_is_deleted_again_and_again() {
    let (transport, operator, prefix) = with_prefix().await;
    enqueue(&transport, "one").await;
    let name = format!("{}_Q_default", prefix.to_uppercase());
    let stream = operator.get_stream(&name).await.expect("there");
    let deletes = async {
        loop {
            // It may be away already.
            let _ = stream.delete_consumer("workers").await;
        }
    };
    let deeds = async {
        for n in 0..20 {
            let until = transport.broker_now().expect("known") + LEASE;
            transport.pause(&queue(), until).await.unwrap_or_else(|e| panic!("pause {n}: {e}"));
            let limit = std::num::NonZeroU64::new(5);
            transport.set_limit(&queue(), limit).await.unwrap_or_else(|e| panic!("limit {n}: {e}"));
        }
    };
    tokio::select! {
        () = deletes => {}
        () = deeds => {}
    }
}

#[tokio::test]
async fn a_broker_as_naq_needs_it_has_no_findings() {
    let (transport, _, _) = with_prefix().await;
    enqueue(&transport, "one").await;
    drop(subscribe(&transport).await);
    let found = transport.diagnose().await;
    let wrong: Vec<_> = found.iter().filter(|f| f.level != Level::Ok).collect();
    assert!(wrong.is_empty() && found.len() > 8, "{wrong:?}");
    let broker = transport.broker().await.expect("says");
    assert!(broker.server.starts_with("nats-server 2."), "{broker:?}");
}

/// Removes the queue's stream, runs `work` until it exists again, and returns how long it was away.
async fn time_without_stream(
    operator: &jetstream::Context,
    name: &str,
    work: impl Future<Output = ()>,
) -> Duration {
    operator.delete_stream(name).await.expect("removes");
    let removed_at = SystemClock.now();
    work.await;
    let stream = operator.get_stream(name).await.expect("there again");
    let created = stream.cached_info().created.unix_timestamp_nanos() / 1_000_000;
    let created = Timestamp::from_millis(u64::try_from(created).expect("a time"));
    created.since(removed_at)
}

#[tokio::test]
async fn a_queue_that_was_removed_is_created_again_only_after_a_pause() {
    let (transport, operator, prefix) = with_prefix().await;
    let name = format!("{}_Q_default", prefix.to_uppercase());
    // By a worker.
    let mut from = subscribe(&transport).await;
    let away = time_without_stream(&operator, &name, async {
        while operator.get_stream(&name).await.is_err() {
            from.fetch(1, Duration::from_millis(100)).await.expect("goes on");
        }
    });
    assert!(away.await > PAUSE, "by the worker");
    drop(from);
    // By a producer.
    enqueue(&transport, "one").await;
    let away = time_without_stream(&operator, &name, async {
        enqueue(&transport, "two").await;
    });
    assert!(away.await > PAUSE, "by the producer");
    let info = transport.queue_info(&queue()).await.expect("described").expect("there");
    assert_eq!(info.pending, 1);
}
