//! One vector of a handler: the job before the attempt, and what holds after it.

use bytes::Bytes;
use naq_client::JobReport;
use naq_core::names::{JobKey, StateKey};
use naq_core::transport::{Expect, Submission};
use naq_core::wire::{WireMessage, headers};
use naq_testing::differences;
use naq_worker::testing::Harness;
use serde_json::{Map, Value, json};

/// The job of each vector.
const JOB: &str = "default/job-1";
/// The nonce of its life, which is in the keys of its saved data.
const LIFE: &str = "0a1b2c3d4e5f";

/// The `naq.toml` of a vector: the options of its task, and where the handler is.
pub(crate) fn naq_toml(vector: &Value, how: &str, place: &Value) -> String {
    let task = vector["job"]["task"].as_str().expect("a task");
    let mut text = format!("[tasks.{task:?}]\n{how} = {place}\n");
    for (name, value) in vector["handler"].as_object().into_iter().flatten() {
        text.push_str(&format!("{name} = {}\n", to_toml(value)));
    }
    text
}

/// Text and numbers are the same in TOML; a table is on one line.
fn to_toml(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name} = {}", to_toml(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// Stores the job and its checkpoint, and runs the attempt.
pub(crate) async fn run_attempt(harness: &Harness, vector: &Value) {
    let transport = harness.client().transport();
    if let Some(checkpoint) = vector.get("checkpoint") {
        let entry = json!({
            "attempt": 1, "at": "2025-12-31T23:59:00.000Z", "turn": {"seq": 0, "delivered": 1}, "state": checkpoint
        });
        let stored =
            transport.state_put(&saved("checkpoint"), bytes(&entry), Expect::Any, None).await;
        stored.expect("the checkpoint is stored");
    }
    let key: JobKey = JOB.parse().expect("a key");
    let message = WireMessage::new(bytes(&vector["job"]));
    let message = message.with(headers::CONTENT_TYPE, "application/json");
    let dedup = key.id.to_string();
    let job = Submission { key, due_at: None, dedup, unique: false, message };
    transport.publish(job).await.expect("the job is stored");
    harness.drain().await;
}

/// How the job differs after the attempt from what the vector says.
pub(crate) async fn wrong_end(harness: &Harness, vector: &Value) -> Vec<String> {
    let before = vector["job"]["history"].as_array().map_or(0, Vec::len);
    let view = harness.job(JOB.parse::<JobKey>().expect("a key"));
    let mut holds = of_report(view.report(), before, harness);
    for name in ["progress", "checkpoint"] {
        if let Some(entry) = saved_value(harness, name).await {
            holds.insert(name.to_owned(), entry);
        }
    }

    let found = differences(&vector["then"], &Value::Object(holds));
    found.into_iter().map(|found| format!("then{found}")).collect()
}

fn of_report(report: &JobReport, before: usize, harness: &Harness) -> Map<String, Value> {
    let mut holds = Map::new();
    let mut put = |name: &str, value: Value| holds.insert(name.to_owned(), value);
    put("state", json!(report.state));
    if let Some(job) = &report.envelope {
        put("attempt", json!(job.attempt));
        put("crashes", json!(job.crashes));
        put("snoozes", json!(job.snoozes));
        put("history", json!(job.history[before..]));
    }
    if let Some(due_at) = report.due_at {
        let wait = due_at.since(harness.now());
        put("due_in_ms", json!(wait.as_millis() as u64));
    }
    if let Some(result) = &report.result {
        put("result", result.decode().expect("JSON"));
    }
    holds
}

/// Progress and checkpoint, as far as they are what the handler said.
async fn saved_value(harness: &Harness, name: &str) -> Option<Value> {
    let entry = harness.client().transport().state_get(&[saved(name)]).await;
    let entry = entry.expect("an answer").pop().flatten()?;
    let mut value: Value = serde_json::from_slice(&entry.value).expect("JSON");
    if name == "checkpoint" {
        return Some(value["state"].take());
    }
    let said = ["done", "total", "message"].map(|name| (name.to_owned(), value[name].take()));
    Some(Value::Object(said.into_iter().collect()))
}

fn saved(kind: &str) -> StateKey {
    StateKey::new([kind, "default", "job-1", LIFE]).expect("a key")
}

fn bytes(value: &Value) -> Bytes {
    serde_json::to_vec(value).expect("JSON").into()
}

/// Fails with all vectors that differ.
pub(crate) fn report(all: usize, wrong: Vec<(String, Vec<String>)>) {
    let text = wrong.iter().map(|(name, found)| format!("{name}\n  {}\n", found.join("\n  ")));
    let text: String = text.collect();
    assert!(wrong.is_empty(), "{} of {all} vectors differ:\n{text}", wrong.len());
    assert!(all > 0, "there are no vectors");
}
