//! `producer.json`: each order, and the job and the entries that are stored. The headers that the broker reads
//! are compared by a test of naq-nats.

use std::sync::Arc;

use naq_core::Timestamp;
use naq_core::names::StateKey;
use naq_core::testing::ManualClock;
use naq_core::transport::{StateStore, Submission};
use naq_memory::{JournalEntry, MemoryTransport};
use naq_testing::{differences, vectors};
use serde_json::{Map, Value, json};

use crate::test_gateway::TestGateway;

#[tokio::test]
async fn each_producer_vector_is_what_the_gateway_stores() {
    let file = vectors("producer");
    let now: Timestamp = file["now"].as_str().expect("a time").parse().expect("a time");
    let all = file["vectors"].as_array().expect("vectors");
    let mut wrong = String::new();
    for vector in all {
        let found = check(vector, now).await;
        if !found.is_empty() {
            wrong.push_str(&format!("{}\n  {}\n", vector["name"], found.join("\n  ")));
        }
    }
    assert!(!all.is_empty() && wrong.is_empty(), "vectors differ:\n{wrong}");
}

async fn check(vector: &Value, now: Timestamp) -> Vec<String> {
    let clock = Arc::new(ManualClock::at(now));
    let broker = MemoryTransport::with_timer(clock.clone()).with_journal();
    let gateway = TestGateway::at(clock, &broker);
    let queue = vector["queue"].as_str().expect("a queue");
    let headers: Vec<_> = vector["headers"].as_object().into_iter().flatten().collect();
    let headers =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str().expect("text")));
    let headers: Vec<_> =
        [("content-type", "application/json")].into_iter().chain(headers).collect();
    let path = format!("/v1/queues/{queue}/jobs");
    gateway.send("POST", &path, &headers, vector["order"].to_string()).await.json(201);
    let journal = broker.journal();
    let [JournalEntry::Enqueued(_, job)] = journal.as_slice() else {
        panic!("{}: not one job: {journal:?}", vector["name"])
    };
    let mut found = prefixed("message", differences(&expected(&vector["message"]), &stored(job)));
    if let Some(entry) = vector.get("key_entry") {
        found.extend(wrong_entry(&broker, entry, job).await);
    }
    found
}

/// What a transport gets of a message: the rest it adds itself.
fn expected(message: &Value) -> Value {
    let headers = message["headers"].as_object().expect("headers");
    let is_brokers = |name: &str| name.starts_with("Nats-") || name == "Naq-Not-Before";
    let own: Map<_, _> =
        headers.clone().into_iter().filter(|(name, _)| !is_brokers(name)).collect();
    let mut expected = json!({
        "subject": message["subject"],
        "dedup": headers["Nats-Msg-Id"],
        "chosen_id": headers.contains_key("Nats-Expected-Last-Subject-Sequence"),
        "headers": own,
        "body": message["body"],
    });
    if let Some(due_at) = headers.get("Naq-Not-Before") {
        expected["due_at"] = due_at.clone();
    }
    expected
}

fn stored(job: &Submission) -> Value {
    let place = if job.due_at.is_some() { "s" } else { "q" };
    let headers = job.message.headers().map(|(name, value)| (name.to_owned(), json!(value)));
    let mut stored = json!({
        "subject": format!("naq.{place}.{}.{}", job.key.queue, job.key.id),
        "dedup": job.dedup,
        "chosen_id": job.unique,
        "headers": headers.collect::<Map<_, _>>(),
        "body": serde_json::from_slice::<Value>(&job.message.body).expect("JSON"),
    });
    if let Some(due_at) = job.due_at {
        stored["due_at"] = json!(due_at);
    }
    stored
}

/// The entry of the unique key: a line of JSON, and then the body of the job.
async fn wrong_entry(broker: &MemoryTransport, expected: &Value, job: &Submission) -> Vec<String> {
    let subject = expected["subject"].as_str().expect("a subject");
    let keys = StateKey::new(["key"]).expect("a key");
    let mut entries = broker.state_list(&keys, 0, 2).await.expect("a page").entries;
    let entry = entries.pop().expect("an entry");
    let mut found = Vec::new();
    if entry.key.as_str().replacen("key.", "naq.u.", 1) != subject || !entries.is_empty() {
        found.push(format!("the entry is {}, and not on {subject}", entry.key));
    }
    let mut parts = entry.value.splitn(2, |byte| *byte == b'\n');
    let line: Value = serde_json::from_slice(parts.next().expect("a line")).expect("JSON");
    found.extend(prefixed("key_entry/line", differences(&expected["line"], &line)));
    let body = if expected["then_the_body"] == true { &job.message.body[..] } else { b"" };
    if parts.next() != Some(body) {
        found.push("key_entry: other bytes follow its line".to_owned());
    }
    found
}

fn prefixed(name: &str, found: Vec<String>) -> Vec<String> {
    found.into_iter().map(|found| format!("{name}{found}")).collect()
}
