//! The bound of a queue. It is stored in the metadata of the queue's stream, where each process finds it
//! with the size of the stream in one answer. The broker cannot hold the bound itself: it refuses
//! `discard: new` on a stream with schedules, and with `discard: old` it removes jobs (ADR 0030).

use std::collections::HashMap;
use std::num::NonZeroU64;

use naq_core::transport::QueueBound;
use serde_json::{Value, json};

const MAX_JOBS: &str = "naq_max_jobs";
const MAX_BYTES: &str = "naq_max_bytes";

/// The bound in the metadata of a stream. A value that is not a number above 0 is no bound.
pub(crate) fn bound_of(metadata: &HashMap<String, String>) -> QueueBound {
    let read = |key: &str| metadata.get(key)?.parse::<NonZeroU64>().ok();
    QueueBound { max_jobs: read(MAX_JOBS), max_bytes: read(MAX_BYTES) }
}

/// The settings of a stream with another bound, and without the limits by which the broker would remove
/// jobs. All other settings stay as they are, those that NAQ does not know included.
pub(crate) fn with_bound(mut config: Value, bound: QueueBound) -> Value {
    config["max_msgs"] = json!(-1);
    config["max_bytes"] = json!(-1);
    config["max_age"] = json!(0);
    config["max_msgs_per_subject"] = json!(-1);
    if !config["metadata"].is_object() {
        config["metadata"] = json!({});
    }
    if let Some(metadata) = config["metadata"].as_object_mut() {
        for (key, value) in [(MAX_JOBS, bound.max_jobs), (MAX_BYTES, bound.max_bytes)] {
            match value {
                Some(value) => metadata.insert(key.to_owned(), json!(value.to_string())),
                None => metadata.remove(key),
            };
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_replaces_the_earlier_one_and_the_limits_that_remove_jobs() {
        let bound = QueueBound { max_jobs: NonZeroU64::new(7), max_bytes: None };
        let config = json!({
            "name": "NAQ_Q_mail", "max_msgs": 500, "max_age": 1, "of_a_newer_broker": [1],
            "metadata": {"team": "mail", MAX_BYTES: "9"}
        });
        let changed = with_bound(config, bound);
        assert_eq!(
            changed,
            json!({
                "name": "NAQ_Q_mail", "max_msgs": -1, "max_bytes": -1, "max_age": 0,
                "max_msgs_per_subject": -1, "of_a_newer_broker": [1],
                "metadata": {"team": "mail", MAX_JOBS: "7"}
            })
        );
        let metadata = serde_json::from_value(changed["metadata"].clone()).expect("a map");
        assert_eq!(bound_of(&metadata), bound);
        assert_eq!(with_bound(json!({}), bound)["metadata"], json!({MAX_JOBS: "7"}));
    }
}
