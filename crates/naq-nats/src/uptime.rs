//! The uptime consumer of a queue: which messages were stored since the broker last started.
//!
//! A broker that is killed within a tenth of a second of an ack delivers the message again, with a count
//! of one. So a count of one proves nothing about a message that was stored before the broker started.
//! It proves that the message is new if the broker and the queue's consumer have been there without a
//! break since the message was stored.
//!
//! It is a consumer in memory beside the one of the workers. It receives nothing. A single broker
//! loses it when it stops, and `stream rm` and a restored backup remove it too. So while it exists, the
//! queue has existed without a break since it was made. Its metadata says:
//!
//! - `naq-since`: when it was made, as the broker said. What is said under another time was
//!   written for an earlier one, and does not count.
//! - `naq-after`: the stream's last sequence at some time after that. Later messages are covered.
//! - `naq-consumer`: when the workers' consumer was made. What another consumer delivers is not covered.
//!   Missing while no worker has opened the queue: a worker writes it before it fetches.
//!
//! In a cluster another server may take over while it lives, so there is none: each message that
//! is older than the connection is a suspect.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use naq_core::sync::lock;
use naq_core::{QueueName, Timestamp};
use serde::Deserialize;

const SINCE: &str = "naq-since";
const AFTER: &str = "naq-after";
const WORK_CONSUMER: &str = "naq-consumer";

/// For how long after its start a broker may move jobs to their queues that it had moved before it was
/// killed.
const CATCH_UP: Duration = Duration::from_secs(10);

/// What a broker that runs without a break proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Covered {
    /// Messages with a larger sequence are new when they are delivered for the first time.
    pub(crate) after: u64,
    /// Except those which the broker moved to the queue before this time: it may have moved them twice.
    pub(crate) moved_after: Option<Timestamp>,
    /// The number of the consumer's newest delivery when this was read. A delivery with a smaller one is
    /// of a consumer that was made again since then.
    pub(crate) newest: u64,
}

/// The description of the uptime consumer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct UptimeInfo {
    created: String,
    config: UptimeConfig,
}

#[derive(Debug, Clone, Deserialize)]
struct UptimeConfig {
    #[serde(default)]
    metadata: HashMap<String, String>,
}

/// What a worker does with the uptime consumer that it finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum UptimeStep {
    /// It covers the messages after this sequence.
    Trust(u64),
    /// The same, once it names this consumer, which has delivered nothing yet.
    Name(u64),
    /// It says nothing that counts. Cover the messages from now on.
    Renew,
}

/// Decides by the uptime consumer and by the workers' consumer.
pub(crate) fn step(uptime: &UptimeInfo, created: &str, has_delivered: bool) -> UptimeStep {
    let says = &uptime.config.metadata;
    let after = says.get(AFTER).and_then(|after| after.parse().ok());
    let after = after.filter(|_| says.get(SINCE) == Some(&uptime.created));
    match (after, says.get(WORK_CONSUMER)) {
        (Some(after), Some(named)) if named == created => UptimeStep::Trust(after),
        (Some(after), None) if !has_delivered => UptimeStep::Name(after),
        _ => UptimeStep::Renew,
    }
}

impl UptimeInfo {
    /// What it says from now on. `workers` is when the workers' consumer was made, if there is one.
    pub(crate) fn metadata(&self, after: u64, workers: Option<&str>) -> HashMap<String, String> {
        let mut says = HashMap::from([
            (SINCE.to_owned(), self.created.clone()),
            (AFTER.to_owned(), after.to_string()),
        ]);
        says.extend(workers.map(|created| (WORK_CONSUMER.to_owned(), created.to_owned())));
        says
    }

    pub(crate) fn covers(&self, after: u64, newest: u64) -> Covered {
        let made_at = self.created.parse::<Timestamp>().ok().filter(|_| after > 0);
        Covered { after, moved_after: made_at.map(|at| at + CATCH_UP), newest }
    }
}

/// What this process has done about uptime consumers.
#[derive(Debug, Default)]
pub(crate) struct UptimeConsumers {
    /// This user may not read or make them.
    denied: AtomicBool,
    /// On which connection the uptime consumer of a queue was looked at last.
    looked_at: Mutex<HashMap<QueueName, u64>>,
}

impl UptimeConsumers {
    pub(crate) fn are_denied(&self) -> bool {
        self.denied.load(Ordering::Relaxed)
    }

    pub(crate) fn deny(&self) {
        self.denied.store(true, Ordering::Relaxed);
    }

    /// Whether the one of this queue was not looked at yet on this connection. Notes that it is now.
    pub(crate) fn must_look(&self, queue: &QueueName, connection: u64) -> bool {
        lock(&self.looked_at).insert(queue.clone(), connection) != Some(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uptime(created: &str, says: &[(&str, &str)]) -> UptimeInfo {
        let metadata = says.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        UptimeInfo { created: created.into(), config: UptimeConfig { metadata } }
    }

    #[test]
    fn only_what_was_written_for_this_uptime_and_this_consumer_counts() {
        let says = [(SINCE, "t1"), (AFTER, "7"), (WORK_CONSUMER, "c1")];
        assert_eq!(step(&uptime("t1", &says), "c1", true), UptimeStep::Trust(7));
        assert_eq!(step(&uptime("t1", &says), "c2", false), UptimeStep::Renew, "another consumer");
        assert_eq!(step(&uptime("t2", &says), "c1", true), UptimeStep::Renew, "an earlier one");
        assert_eq!(step(&uptime("t1", &[]), "c1", false), UptimeStep::Renew, "it says nothing");
    }

    #[test]
    fn a_consumer_is_named_only_before_it_has_delivered() {
        let says = [(SINCE, "t1"), (AFTER, "0")];
        assert_eq!(step(&uptime("t1", &says), "c1", false), UptimeStep::Name(0));
        assert_eq!(step(&uptime("t1", &says), "c1", true), UptimeStep::Renew);
    }

    #[test]
    fn jobs_that_the_broker_moves_soon_after_its_start_are_not_covered() {
        let made = uptime("2026-01-01T00:00:00.5Z", &[]);
        assert_eq!(made.covers(0, 0).moved_after, None, "the queue was empty");
        let until: Timestamp = "2026-01-01T00:00:10.5Z".parse().expect("a time");
        let covered = Covered { after: 3, moved_after: Some(until), newest: 9 };
        assert_eq!(made.covers(3, 9), covered);
    }
}
