//! Messages that async-nats cannot parse. None of them ends a process, and none is lost (ADR 0038).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use naq_core::transport::{
    Delivery, Directory, Expect, Fact, JobKey, JobsQuery, Lookup, Operator, Place, Producer,
    Settler, Signal, StateKey, StateStore, TransportError, Written,
};
use naq_core::wire::headers;
use naq_core::{Clock, JobId, SystemClock, WorkerId};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{
    ChaosProxy, ClientReaction, MALFORMED, Malformed, NatsConnection, NatsServer, eventually,
    shared_server, unique,
};

use crate::support::{TIME_LIMIT, connect_as, enqueue, job, key, queue, subscribe};

const BODY: &[u8] = br#"{"task":"t"}"#;

fn address(url: &str) -> &str {
    url.trim_start_matches("nats://")
}

/// Sends one malformed message. Returns when the server has read it.
fn send(url: &str, prefix: &str, message: &Malformed) {
    let mut raw = NatsConnection::connect(address(url), "").expect("connects");
    let subject = [prefix.as_bytes(), message.name.as_bytes(), message.subject].concat();
    raw.publish(&subject, message.headers, BODY).expect("sent");
    assert_eq!(raw.ping().expect("answers"), "PONG", "{}", message.name);
}

/// Counts what a client reports, and its end.
#[derive(Debug, Default)]
struct Watched {
    losses: AtomicU64,
    ends: AtomicU64,
}

struct EndGuard(Arc<Watched>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.ends.fetch_add(1, Ordering::Relaxed);
    }
}

async fn reaction_of(url: &str, message: &Malformed) -> ClientReaction {
    let watched = Arc::new(Watched::default());
    let guard = EndGuard(watched.clone());
    let on_event = move |event| {
        if let async_nats::Event::Disconnected = event {
            guard.0.losses.fetch_add(1, Ordering::Relaxed);
        }
        std::future::ready(())
    };
    let options = async_nats::ConnectOptions::new().event_callback(on_event);
    let client = options.connect(url).await.expect("connects");
    let prefix = unique("table");
    let mut messages = client.subscribe(format!("{prefix}.>")).await.expect("subscribes");
    // A flush does not wait for the broker. An answer on the same connection shows that it knows the subscription.
    client.publish(format!("{prefix}.ready"), "".into()).await.expect("sent");
    messages.next().await.expect("an answer");
    send(url, &format!("{prefix}."), message);
    eventually("a reaction", TIME_LIMIT, async || {
        let read = futures_util::FutureExt::now_or_never(messages.next());
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed) > 0;
        match (read.flatten(), of(&watched.ends), of(&watched.losses)) {
            (Some(_), ..) => Some(ClientReaction::Reads),
            (None, true, _) => Some(ClientReaction::Ends),
            (None, false, true) => Some(ClientReaction::Reconnects),
            _ => None,
        }
        .ok_or("nothing happened")
    })
    .await
}

#[tokio::test]
async fn the_client_reacts_to_each_malformed_message_as_the_table_says() {
    let url = shared_server().url();
    let mut found = Vec::new();
    for message in MALFORMED {
        found.push((message.name, reaction_of(&url, message).await));
    }
    let table: Vec<_> = MALFORMED.iter().map(|it| (it.name, it.client)).collect();
    assert_eq!(found, table);
}

/// Acks a delivery. One that cannot be read becomes a dead letter first.
async fn settle(transport: &NatsTransport, delivery: &Delivery) -> Result<(), TransportError> {
    let stored = &delivery.stored;
    if stored.message.unreadable().is_some() {
        assert!(delivery.envelope().is_err());
        assert_eq!(&*stored.message.body, BODY);
        let fact = Fact::dead(stored, &stored.dead_letter());
        assert_eq!(transport.write(&fact).await?, Written::Stored);
    }
    delivery.handle.ack().await
}

#[tokio::test]
async fn a_malformed_job_becomes_a_delivery_with_its_bytes_and_the_others_arrive() {
    let (url, prefix) = (shared_server().url(), unique("t"));
    let transport = connect_as(&url, &prefix).await;
    let mut from = subscribe(&transport).await;
    for message in MALFORMED {
        enqueue(&transport, &format!("before-{}", message.name)).await;
        send(&url, &format!("{prefix}.q.default."), message);
        enqueue(&transport, &format!("after-{}", message.name)).await;
    }
    let all = async {
        while transport.queue_info(&queue()).await.expect("answers").expect("a queue").bytes > 0 {
            match from.fetch(8, Duration::from_millis(100)).await {
                Ok(found) => {
                    for delivery in found {
                        // What fails while the connection is lost comes again.
                        let settled = settle(&transport, &delivery).await;
                        assert!(
                            settled.as_ref().err().is_none_or(TransportError::is_transient),
                            "{settled:?}"
                        );
                    }
                }
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        }
    };
    tokio::time::timeout(4 * TIME_LIMIT, all).await.expect("the queue drains");
    let must_die = MALFORMED.iter().filter(|it| it.is_unreadable_when_stored()).count();
    let letters = transport.dead_letters(None, 0, 1000).await.expect("reads").letters;
    let ids: Vec<_> = letters.iter().map(|letter| letter.key.id.as_str()).collect();
    assert!(letters.len() >= must_die, "only {} of {must_die}: {ids:?}", letters.len());
    for letter in &letters {
        assert_eq!(&*letter.message.body, BODY);
        assert!(letter.message.header(headers::RAW_HEADERS).is_some());
        transport.remove(letter).await.expect("removed");
    }
}

#[tokio::test]
async fn a_list_does_not_wait_for_one_message_after_the_other_because_one_is_unreadable() {
    const LETTERS: usize = 400;
    const DELAY: Duration = Duration::from_millis(30);
    let (url, prefix) = (shared_server().url(), unique("t"));
    let direct = connect_as(&url, &prefix).await;
    drop(subscribe(&direct).await);
    let mut raw = NatsConnection::connect(address(&url), "").expect("connects");
    for n in 0..LETTERS {
        let subject = format!("{prefix}.d.default.letter-{n}");
        raw.publish(subject.as_bytes(), b"", BODY).expect("sent");
    }
    raw.wait_until_read().expect("read");
    send(&url, &format!("{prefix}.d.default."), &MALFORMED[0]);
    let proxy = ChaosProxy::start(address(&url)).await.expect("a proxy");
    let transport = connect_as(&proxy.url(), &prefix).await;
    proxy.delay(DELAY);
    let query = JobsQuery { limit: 1000, ..JobsQuery::at(Place::Dead) };
    let began = SystemClock.now();
    let page = transport.jobs(&query).await.expect("listed");
    let took = SystemClock.now().since(began);
    assert_eq!(page.jobs.len(), LETTERS + 1);
    let one_by_one = 2 * DELAY * u32::try_from(LETTERS).expect("few");
    assert!(took < one_by_one / 2, "{took:?}, and {one_by_one:?} one by one");
}

#[tokio::test]
async fn every_list_skips_malformed_messages_and_brings_the_others() {
    let (url, prefix) = (shared_server().url(), unique("t"));
    let transport = connect_as(&url, &prefix).await;
    drop(subscribe(&transport).await);
    let later = SystemClock.now() + Duration::from_secs(3600);
    let state =
        |n: usize, end: &str| StateKey::new(["test", &format!("{n}-{end}")]).expect("a key");
    let good = |n: usize, end: &str| format!("{n}-{end}");
    for (n, message) in MALFORMED.iter().enumerate() {
        for end in ["before", "after"] {
            let id = good(n, end);
            enqueue(&transport, &id).await;
            transport.publish(job(&format!("later-{id}"), Some(later))).await.expect("enqueues");
            let value = "v".into();
            transport.state_put(&state(n, end), value, Expect::Any, None).await.expect("stored");
            for letter in ["r", "d"] {
                let mut raw = NatsConnection::connect(address(&url), "").expect("connects");
                let subject = format!("{prefix}.{letter}.default.{id}");
                raw.publish(subject.as_bytes(), b"", BODY).expect("sent");
                raw.ping().expect("answers");
            }
            if end == "before" {
                for place in
                    ["q.default.", "s.default.", "r.default.", "d.default.", "k.test.", "w.", "m."]
                {
                    send(&url, &format!("{prefix}.{place}"), message);
                }
            }
        }
    }
    let reader = connect_as(&url, &prefix).await;
    let ids = |count: usize| (0..count).flat_map(|n| ["before", "after"].map(|end| good(n, end)));
    for place in [Place::Queue, Place::Schedule, Place::Record, Place::Dead] {
        let mut found = Vec::new();
        let mut query = JobsQuery { limit: 1000, ..JobsQuery::at(place) };
        loop {
            let page = reader.jobs(&query).await.expect("lists");
            found.extend(page.jobs.into_iter().map(|job| job.key.id.to_string()));
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        for id in ids(MALFORMED.len()) {
            let id = if place == Place::Schedule { format!("later-{id}") } else { id };
            assert!(found.contains(&id), "{id} at {place:?}");
        }
    }
    let one = |n: usize| key(&good(n, "after"));
    for (n, malformed) in MALFORMED.iter().enumerate() {
        assert!(reader.locate(&one(n)).await.expect("found").len() >= 3);
        let malformed = JobId::new(malformed.name).map(reader_key);
        if let Ok(key) = malformed {
            reader.locate(&key).await.expect("read");
        }
    }
    let listed = reader.state_list(&StateKey::new(["test"]).expect("a key"), 0, 1000).await;
    let mut from = 0;
    let mut entries = listed.expect("lists").entries;
    while entries.len() < 2 * MALFORMED.len() {
        from = entries.last().map_or(1, |entry| entry.revision + 1).max(from + 1);
        let more = reader.state_list(&StateKey::new(["test"]).expect("a key"), from, 1000).await;
        entries.extend(more.expect("lists").entries);
    }
    let mut watch = None;
    let wanted: Vec<_> = (0..MALFORMED.len()).map(|n| state(n, "after")).collect();
    let all = async {
        let mut seen = std::collections::HashSet::new();
        while !wanted.iter().all(|key| seen.contains(key)) {
            if watch.is_none() {
                seen.clear();
                watch = Some(
                    reader
                        .state_watch(&StateKey::new(["test"]).expect("a key"))
                        .await
                        .expect("watches"),
                );
            }
            match watch.as_mut().expect("a watch").next().await {
                Some(change) => drop(seen.insert(change.key)),
                None => watch = None,
            }
        }
    };
    tokio::time::timeout(TIME_LIMIT, all).await.expect("the watch brings all entries");
    reader.workers().await.expect("lists");
    assert!(reader.queue_info(&queue()).await.expect("answers").expect("a queue").waiting > 0);
}

fn reader_key(id: JobId) -> JobKey {
    JobKey::new(queue(), id)
}

#[tokio::test]
async fn a_malformed_signal_ends_no_process() {
    let (url, prefix) = (shared_server().url(), unique("t"));
    let transport = connect_as(&url, &prefix).await;
    for message in MALFORMED.iter().filter(|it| it.subject.is_empty()) {
        let mut signals = transport.signals().await.expect("listens");
        let mut raw = NatsConnection::connect(address(&url), "").expect("connects");
        raw.publish(format!("{prefix}.ctl").as_bytes(), message.headers, BODY).expect("sent");
        raw.ping().expect("answers");
        let drain = Signal::Drain { worker: WorkerId::new("w").expect("a name") };
        eventually("a signal", TIME_LIMIT, async || {
            transport.signal(&drain).await.map_err(|e| e.to_string())?;
            match tokio::time::timeout(Duration::from_millis(200), signals.next()).await {
                Ok(Some(signal)) if signal == drain => Ok(()),
                // The client has ended. The worker listens again.
                Ok(None) => {
                    signals = transport.signals().await.map_err(|e| e.to_string())?;
                    Err("listens again".into())
                }
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_client_that_has_ended_and_cannot_be_replaced_is_not_alive() {
    let server = NatsServer::start().expect("a server");
    let proxy = ChaosProxy::start(address(&server.url())).await.expect("a proxy");
    let prefix = unique("t");
    let config = NatsConfig::new(proxy.url()).prefix(&prefix);
    let transport = NatsTransport::connect(config).await.expect("connects");
    assert!(transport.is_alive() && transport.is_connected());
    let mut signals = transport.signals().await.expect("listens");
    let drain = Signal::Drain { worker: WorkerId::new("w").expect("a name") };
    transport.signal(&drain).await.expect("sent");
    assert_eq!(signals.next().await, Some(drain), "the broker knows the subscription");
    proxy.refuse();
    let mut raw = NatsConnection::connect(address(&server.url()), "").expect("connects");
    raw.publish(format!("{prefix}.ctl").as_bytes(), MALFORMED[0].headers, BODY).expect("sent");
    raw.ping().expect("answers");
    eventually("the end", TIME_LIMIT, async || !transport.is_alive()).await;
    assert!(!transport.is_connected());
    proxy.heal();
    eventually("a new client", TIME_LIMIT, async || transport.is_alive()).await;
    enqueue(&transport, "later").await;
}
