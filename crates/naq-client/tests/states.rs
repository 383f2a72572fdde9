//! `states.json`: the messages of a job, and the state that a reader says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naq_client::{Client, ClientError};
use naq_core::names::JobKey;
use naq_core::testing::ManualClock;
use naq_core::transport::{Fact, FactKind, Lookup, Place, Producer, Settler, Submission, Written};
use naq_core::wire::{Nonce, WireMessage};
use naq_core::{Clock, JobState, Timestamp};
use naq_memory::MemoryTransport;
use naq_testing::{differences, vectors};
use serde_json::{Value, json};

#[tokio::test]
async fn each_vector_of_messages_has_its_state() {
    let file = vectors("states");
    let all = file["vectors"].as_array().expect("vectors");
    let mut wrong = String::new();
    for vector in all {
        let found = check(vector).await;
        if !found.is_empty() {
            wrong.push_str(&format!("{}\n  {}\n", vector["name"], found.join("\n  ")));
        }
    }
    assert!(!all.is_empty() && wrong.is_empty(), "vectors differ:\n{wrong}");
}

async fn check(vector: &Value) -> Vec<String> {
    let clock = ManualClock::new();
    let broker = MemoryTransport::with_timer(Arc::new(clock.clone()));
    let client = Client::new(Arc::new(broker.clone())).clock(Arc::new(clock.clone()));
    let mut found = Vec::new();
    for (index, message) in vector["messages"].as_array().expect("messages").iter().enumerate() {
        store(&broker, &clock, index, message).await;
        let (key, place) = parse(text(&message["subject"]));
        let last = broker.locate(&key).await.expect("an answer");
        // A marker is no message of the job.
        if message["marker"] != true {
            let last = last.iter().find(|it| it.place == place).expect("it is stored");
            let actual = json!({"seq": last.seq, "time": last.stored_at});
            let expected = json!({"seq": message["seq"], "time": message["time"]});
            found.extend(differences(&expected, &actual));
        }
    }
    let key: JobKey = "mail/job-1".parse().expect("a key");
    let said = match client.report(&key).await {
        Ok(report) => json!({
            "state": report.state,
            "read_from": subject(report.stored.place, &key),
            "result": report.result.map(|result| result.decode::<Value>().expect("JSON")),
        }),
        Err(ClientError::NoJob(_)) => json!({"state": null, "read_from": null, "result": null}),
        Err(err) => panic!("{err}"),
    };
    let expected = json!({
        "state": vector["state"],
        "read_from": vector["read_from"],
        "result": vector["result"],
    });
    found.extend(differences(&expected, &said));
    found
}

/// Stores one message as its time comes.
async fn store(broker: &MemoryTransport, clock: &ManualClock, index: usize, vector: &Value) {
    let time: Timestamp = text(&vector["time"]).parse().expect("a time");
    if time > clock.now() {
        clock.advance_to(time).await;
    }
    let (key, place) = parse(text(&vector["subject"]));
    let message = message(vector);
    if vector["marker"] == true {
        let life = Nonce::parse("0a1b2c3d4e5f").expect("a nonce");
        broker.await_end(&key, &life).await.expect("the marker is stored");
        return;
    }
    let dedup = index.to_string();
    let kind = match place {
        Place::Queue | Place::Schedule => {
            let due_at = message.not_before();
            assert_eq!(due_at.is_some(), place == Place::Schedule);
            let job = Submission { key, due_at, dedup, unique: false, message };
            broker.publish(job).await.expect("the job is stored");
            return;
        }
        Place::Dead => FactKind::Dead,
        Place::Record => {
            let state: JobState =
                serde_json::from_value(vector["body"]["state"].clone()).expect("a state");
            FactKind::Record { ttl: Duration::from_secs(3600), state }
        }
    };
    let fact = Fact { key, kind, dedup, settles: 0, message };
    let written = broker.write(&fact).await.expect("an answer");
    assert!(matches!(written, Written::Stored | Written::Awaited), "{written:?}");
}

fn message(vector: &Value) -> WireMessage {
    let body = match vector.get("text") {
        Some(bytes) => text(bytes).as_bytes().to_vec(),
        None => serde_json::to_vec(&vector["body"]).expect("JSON"),
    };
    let headers = vector["headers"].as_object().expect("headers");
    headers.iter().fold(WireMessage::new(Bytes::from(body)), |message, (name, value)| {
        message.with(name, text(value))
    })
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn parse(subject: &str) -> (JobKey, Place) {
    let parts: Vec<_> = subject.split('.').collect();
    let ["naq", place, queue, id] = parts.as_slice() else { panic!("{subject} is of no job") };
    let place = match *place {
        "q" => Place::Queue,
        "s" => Place::Schedule,
        "d" => Place::Dead,
        _ => Place::Record,
    };
    (format!("{queue}/{id}").parse().expect("a key"), place)
}

fn subject(place: Place, key: &JobKey) -> String {
    let letter = match place {
        Place::Queue => "q",
        Place::Schedule => "s",
        Place::Dead => "d",
        Place::Record => "r",
    };
    format!("naq.{letter}.{}.{}", key.queue, key.id)
}
