//! The state store when the network fails or entries expire.

use std::time::Duration;

use bytes::Bytes;
use naq_core::SystemClock;
use naq_core::clock::{Clock, Timer};
use naq_core::transport::{Expect, Saved, StateKey, StateStore, StateWatch};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{ChaosProxy, Direction, NatsServer, eventually, shared_server};

use crate::support::TIME_LIMIT;

const VALUE: Bytes = Bytes::from_static(b"x");

/// Two connections to one state store: one through a proxy, one direct.
async fn connect_twice(server: &NatsServer) -> (ChaosProxy, NatsTransport, NatsTransport) {
    let proxy = ChaosProxy::start(server.address()).await.expect("a proxy");
    let prefix = naq_testing::unique("s");
    let connect = async |url: String| {
        NatsTransport::connect(NatsConfig::new(url).prefix(prefix.clone())).await.expect("connects")
    };
    let proxied = connect(proxy.url()).await;
    let direct = connect(server.url()).await;
    (proxy, proxied, direct)
}

async fn wait(span: Duration) {
    SystemClock.sleep_until(SystemClock.now() + span).await;
}

fn key(text: &str) -> StateKey {
    StateKey::new(["test", text]).expect("a key")
}

fn revision(saved: Saved) -> u64 {
    match saved {
        Saved::Stored(revision) => revision,
        Saved::Conflict => panic!("a conflict"),
    }
}

#[tokio::test]
async fn a_write_whose_reply_was_lost_is_not_in_conflict_with_itself() {
    let (proxy, state, _) = connect_twice(shared_server()).await;
    state.state_put(&key("other"), VALUE, Expect::Any, None).await.expect("makes the stream");
    let lose_reply = async || {
        proxy.stall(Direction::ToClient);
        wait(Duration::from_millis(200)).await;
        proxy.cut();
        proxy.heal();
    };
    let a = key("a");
    let put = state.state_put(&a, VALUE, Expect::Absent, None);
    let first = revision(tokio::join!(put, lose_reply()).0.expect("stores"));
    let put = state.state_put(&a, VALUE, Expect::Revision(first), None);
    let second = revision(tokio::join!(put, lose_reply()).0.expect("stores"));
    let entry = state.state_get(&[key("a")]).await.expect("reads").remove(0).expect("there");
    assert_eq!((entry.revision, second > first), (second, true), "stored once each");
    let remove = state.state_remove(&a, Expect::Revision(second));
    revision(tokio::join!(remove, lose_reply()).0.expect("removes"));
    assert_eq!(state.state_get(&[key("a")]).await.expect("reads"), [None]);
}

#[tokio::test]
async fn the_same_value_from_another_writer_is_a_conflict_even_after_a_lost_request() {
    let (proxy, state, other) = connect_twice(shared_server()).await;
    state.state_put(&key("other"), VALUE, Expect::Any, None).await.expect("makes the stream");
    proxy.stall(Direction::ToServer);
    let theirs = async {
        wait(Duration::from_millis(100)).await;
        let put = other.state_put(&key("a"), VALUE, Expect::Absent, None).await;
        proxy.cut();
        proxy.heal();
        revision(put.expect("stores"))
    };
    let a = key("a");
    let ours = state.state_put(&a, VALUE, Expect::Absent, None);
    let (ours, theirs) = tokio::join!(ours, theirs);
    assert_eq!(ours.expect("a reply"), Saved::Conflict);
    let entry = state.state_get(&[key("a")]).await.expect("reads").remove(0).expect("there");
    assert_eq!(entry.revision, theirs);
}

#[tokio::test]
async fn a_watch_ends_with_its_connection_and_a_new_one_reports_everything() {
    let (proxy, state, other) = connect_twice(shared_server()).await;
    let prefix = StateKey::new(["test"]).expect("a key");
    let mut watch = state.state_watch(&prefix).await.expect("watches");
    other.state_put(&key("a"), VALUE, Expect::Any, None).await.expect("stores");
    assert_eq!(next(&mut watch).await.expect("a change").key, key("a"));
    proxy.cut();
    assert_eq!(next(&mut watch).await, None);
    other.state_put(&key("b"), VALUE, Expect::Any, None).await.expect("stores");
    let mut watch = state.state_watch(&prefix).await.expect("watches again");
    for expected in ["a", "b"] {
        assert_eq!(next(&mut watch).await.expect("a change").key, key(expected));
    }
}

async fn next(watch: &mut Box<dyn StateWatch>) -> Option<naq_core::transport::StateChange> {
    tokio::time::timeout(TIME_LIMIT, watch.next()).await.expect("a change or the end in time")
}

#[tokio::test]
async fn removed_and_expired_entries_leave_no_messages() {
    let mut config = NatsConfig::new(shared_server().url()).prefix(naq_testing::unique("s"));
    // This makes the TTL of the tombstones as short as possible.
    config.request_timeout = Duration::from_millis(500);
    let state = NatsTransport::connect(config).await.expect("connects");
    let prefix = StateKey::new(["test"]).expect("a key");
    state.state_put(&key("removed"), VALUE, Expect::Any, None).await.expect("stores");
    let ttl = Some(Duration::from_secs(1));
    state.state_put(&key("expired"), VALUE, Expect::Any, ttl).await.expect("stores");
    let mut watch = state.state_watch(&prefix).await.expect("watches");
    state.state_remove(&key("removed"), Expect::Any).await.expect("removes");
    let mut changes = Vec::new();
    while changes.len() < 4 {
        let change = next(&mut watch).await.expect("a change");
        changes.push((change.key.as_str().to_owned(), change.entry.is_some()));
    }
    let expected = [("removed", true), ("expired", true), ("removed", false), ("expired", false)];
    assert_eq!(changes, expected.map(|(name, there)| (key(name).as_str().to_owned(), there)));
    let silence = tokio::time::timeout(Duration::from_secs(9), watch.next()).await;
    assert!(silence.is_err(), "a removal is reported once: {silence:?}");
    let stream = state.diagnose().await.into_iter().find(|f| f.check.ends_with("_STATE"));
    let stream = stream.expect("is checked").detail;
    assert!(stream.starts_with("0 messages"), "{stream}");
}

/// The tombstone has expired by then, so that nothing but the broker's own files says that the entry was
/// removed.
#[tokio::test]
async fn a_removed_entry_does_not_come_back_when_the_broker_was_killed() {
    let mut server = NatsServer::start().expect("a server");
    let mut config = NatsConfig::new(server.url());
    config.request_timeout = Duration::from_millis(500);
    let state = NatsTransport::connect(config).await.expect("connects");
    state.state_put(&key("pause"), VALUE, Expect::Any, None).await.expect("stores");
    for n in 0..20 {
        state.state_put(&key(&format!("k{n}")), VALUE, Expect::Any, None).await.expect("stores");
    }
    state.state_remove(&key("pause"), Expect::Any).await.expect("removes");
    eventually("no message is left", TIME_LIMIT, async || {
        let checks = state.diagnose().await;
        let stream =
            checks.into_iter().find(|it| it.check.ends_with("_STATE")).expect("is checked");
        if stream.detail.starts_with("20 messages") { Ok(()) } else { Err(stream.detail) }
    })
    .await;
    server.kill().expect("killed");
    server.restart().expect("is back");
    let found = state.state_get(&[key("pause"), key("k0")]).await.expect("reads");
    assert!(found[0].is_none() && found[1].is_some(), "{found:?}");
}

/// The broker keeps entries and their tombstones in different files. It rewrites a file from which most is gone,
/// and then the tombstone is gone before the entry is.
#[tokio::test]
async fn a_removed_entry_does_not_come_back_when_the_file_of_its_tombstone_was_rewritten() {
    const ROUNDS: usize = 16;
    const LATER: usize = 6;
    let mut server = NatsServer::start().expect("a server");
    let mut config = NatsConfig::new(server.url());
    config.request_timeout = Duration::from_millis(500);
    let state = NatsTransport::connect(config).await.expect("connects");
    let large = Bytes::from(vec![b'x'; 600_000]);
    let put = async |name: &str, value: &Bytes| {
        state.state_put(&key(name), value.clone(), Expect::Any, None).await.expect("stores")
    };
    let small = |round: usize| (0..5).map(move |n| key(&format!("small-{round}-{n}")));
    // In each file is much that stays, and much that is replaced; and of each round, the entries are in an
    // earlier file than their tombstones.
    for round in 0..ROUNDS + LATER {
        if round < ROUNDS {
            for key in small(round) {
                state.state_put(&key, VALUE, Expect::Any, None).await.expect("stores");
            }
        }
        put(&format!("stays-{round}"), &large).await;
        for key in round.checked_sub(LATER).into_iter().flat_map(small) {
            state.state_remove(&key, Expect::Any).await.expect("removes");
        }
        put("replaced", &large).await;
    }
    eventually("no tombstone is left", TIME_LIMIT, async || {
        let checks = state.diagnose().await;
        let stream =
            checks.into_iter().find(|it| it.check.ends_with("_STATE")).expect("is checked");
        let expected = format!("{} messages", ROUNDS + LATER + 1);
        if stream.detail.starts_with(&expected) { Ok(()) } else { Err(stream.detail) }
    })
    .await;
    for _ in 0..16 {
        put("replaced", &large).await;
    }
    server.kill().expect("killed");
    server.restart().expect("is back");
    let all: Vec<_> = (0..ROUNDS).flat_map(small).collect();
    let found = state.state_get(&all).await.expect("reads");
    let back: Vec<_> = found.iter().flatten().map(|entry| entry.key.as_str()).collect();
    assert_eq!(back, [""; 0]);
}
