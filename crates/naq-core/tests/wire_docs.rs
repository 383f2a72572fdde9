//! `docs/wire-format.md` says what the code does.
#![cfg(feature = "jobs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use bytes::Bytes;
use naq_core::transport::Stored;
use naq_core::wire::{
    MAX_ENVELOPE_BYTES, MAX_HISTORY, MAX_HISTORY_BYTES, MAX_MESSAGE_BYTES, MAX_TAGS, WireMessage,
    headers,
};
use naq_core::{JobId, JobState, QueueName};

use support::delivered;

mod support;

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/wire-format.md");
    std::fs::read_to_string(path).unwrap()
}

fn json_blocks() -> Vec<String> {
    let page = page();
    let blocks = page.split("```json\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn stored(body: String) -> Stored {
    delivered(WireMessage::new(Bytes::from(body)))
}

#[test]
fn the_json_on_the_page_is_a_job_and_a_record() {
    let [job, record] = json_blocks().try_into().expect("two blocks");
    let read = stored(job).envelope().unwrap();
    assert_eq!((read.attempt, read.max_attempts(), read.history.len()), (2, 5, 1));
    let read = stored(record).record().unwrap();
    assert_eq!(read.state, JobState::Completed);
    assert_eq!(read.result.unwrap().decode::<serde_json::Value>().unwrap()["sent"], true);
}

#[test]
fn the_job_written_by_hand_on_the_page_is_a_job() {
    let page = page();
    let by_hand = page.split("nats pub naq.q.default.welcome-4711 '").nth(1).unwrap();
    let body = by_hand.split('\'').next().unwrap();
    let job = stored(body.to_owned()).envelope().unwrap();
    assert_eq!(job.task.as_str(), "email.send");
}

#[test]
fn every_field_and_header_that_is_written_is_on_the_page() {
    let page = page();
    for name in ["full", "retrying", "record"] {
        let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let body: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let entries = body["history"].as_array().cloned().unwrap_or_default();
        for map in entries.iter().chain([&body]) {
            for field in map.as_object().unwrap().keys() {
                assert!(page.contains(&format!("`{field}`")), "field {field}");
            }
        }
    }
    for header in [
        headers::CONTENT_TYPE,
        headers::STEP,
        headers::TASK,
        headers::ERROR_KIND,
        headers::ERROR,
        headers::RULE,
        headers::REASON,
        headers::DIED_AT,
    ] {
        assert!(page.contains(&format!("| `{header}` |")), "header {header}");
    }
}

#[test]
fn the_limits_on_the_page_are_those_of_the_code() {
    let page = page();
    for text in [
        format!("960 KiB ({MAX_ENVELOPE_BYTES} bytes)"),
        format!("{MAX_HISTORY} entries, about {} KiB", MAX_HISTORY_BYTES / 1024),
        format!("the history | {} KiB |", MAX_MESSAGE_BYTES / 1024),
        format!("{MAX_TAGS}, each 1 to 128 bytes"),
        format!("1 to {} letters, digits, `_`, `-` |", QueueName::MAX_LEN),
        format!("1 to {} letters, digits, `_`, `-`; unique", JobId::MAX_LEN),
    ] {
        assert!(page.contains(&text), "{text}");
    }
}
