//! The uptime consumer of a queue: which messages were stored since the broker last began anew.
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

use async_nats::jetstream::consumer::{self, AckPolicy, DeliverPolicy};
use naq_core::sync::lock;
use naq_core::{QueueName, Timestamp};
use serde::Deserialize;

use crate::api::Api;
use crate::error::ApiError;
use crate::error_codes::{CONSUMER_EXISTS, CONSUMER_NOT_FOUND};
use crate::subjects::{UPTIME, api};
use crate::topology::{ConsumerInfo, CreateConsumer};

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
}

/// The description of the uptime consumer.
#[derive(Debug, Clone, Deserialize)]
struct UptimeInfo {
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
enum UptimeStep {
    /// It covers the messages after this sequence.
    Trust(u64),
    /// The same, once it names this consumer, which has delivered nothing yet.
    Name(u64),
    /// It says nothing that counts. Cover the messages from now on.
    Renew,
}

/// Decides by the uptime consumer and by the workers' consumer.
fn step(uptime: &UptimeInfo, created: &str, has_delivered: bool) -> UptimeStep {
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
    fn covers(&self, after: u64) -> Covered {
        let made_at = self.created.parse::<Timestamp>().ok().filter(|_| after > 0);
        Covered { after, moved_after: made_at.map(|at| at + CATCH_UP) }
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

impl Api {
    /// What a single broker proves of the messages of this queue, for a worker that has just opened it.
    /// `None` if it proves nothing. Makes the uptime consumer if it is missing, and this user may.
    pub(crate) async fn covered(&self, queue: &QueueName) -> Option<Covered> {
        if self.uptime_consumers.denied.load(Ordering::Relaxed) {
            return None;
        }
        let covered = self.read_or_renew_uptime(queue).await;
        self.unless_denied(queue, covered).flatten()
    }

    /// Makes the uptime consumer of a queue that has none, so that it covers the jobs that are enqueued
    /// from now on. For producers to a single broker. Looks once on each connection.
    pub(crate) async fn ensure_uptime(&self, queue: &QueueName) {
        let connection = self.connection.state().connects;
        if self.uptime_consumers.denied.load(Ordering::Relaxed) {
            return;
        }
        if lock(&self.uptime_consumers.looked_at).insert(queue.clone(), connection)
            == Some(connection)
        {
            return;
        }
        let made = self.make_missing_uptime(queue).await;
        self.unless_denied(queue, made);
    }

    fn unless_denied<T>(&self, queue: &QueueName, done: Result<T, ApiError>) -> Option<T> {
        done.inspect_err(|error| {
            tracing::debug!(%queue, ?error, "no uptime consumer");
            if error.is_permission() {
                self.uptime_consumers.denied.store(true, Ordering::Relaxed);
            }
        })
        .ok()
    }

    async fn read_or_renew_uptime(&self, queue: &QueueName) -> Result<Option<Covered>, ApiError> {
        let Some(workers) = self.consumer_info(queue).await? else { return Ok(None) };
        let uptime = match self.uptime(queue).await? {
            Some(uptime) => uptime,
            None => self.create_uptime(queue).await?,
        };
        let has_delivered = workers.delivered.consumer_seq > 0;
        let after = match step(&uptime, &workers.created, has_delivered) {
            UptimeStep::Trust(after) => after,
            UptimeStep::Name(after) => {
                self.write_uptime(queue, &uptime, after, Some(&workers)).await?;
                after
            }
            UptimeStep::Renew => {
                let Some(after) = self.last_sequence(queue).await? else { return Ok(None) };
                self.write_uptime(queue, &uptime, after, Some(&workers)).await?;
                after
            }
        };
        Ok(Some(uptime.covers(after)))
    }

    async fn make_missing_uptime(&self, queue: &QueueName) -> Result<(), ApiError> {
        if self.uptime(queue).await?.is_some() {
            return Ok(());
        }
        let uptime = self.create_uptime(queue).await?;
        let workers = self.consumer_info(queue).await?;
        match self.last_sequence(queue).await? {
            Some(after) => self.write_uptime(queue, &uptime, after, workers.as_ref()).await,
            None => Ok(()),
        }
    }

    /// The last sequence of the queue's stream. `None` if the stream does not exist.
    async fn last_sequence(&self, queue: &QueueName) -> Result<Option<u64>, ApiError> {
        let info = self.stream_info(&self.subjects.queue_stream(queue)).await?;
        Ok(info.map(|info| info.state.last_seq))
    }

    async fn uptime(&self, queue: &QueueName) -> Result<Option<UptimeInfo>, ApiError> {
        let stream = self.subjects.queue_stream(queue);
        match self.call(&api::info_of_consumer(&stream, UPTIME), &()).await {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.is(CONSUMER_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create_uptime(&self, queue: &QueueName) -> Result<UptimeInfo, ApiError> {
        match self.send_uptime(queue, "create", HashMap::new()).await {
            Err(error) if CONSUMER_EXISTS.iter().any(|code| error.is(*code)) => {
                self.uptime(queue).await?.ok_or(error)
            }
            created => created,
        }
    }

    /// Writes what it says. Nothing is written if it was lost meanwhile.
    async fn write_uptime(
        &self,
        queue: &QueueName,
        uptime: &UptimeInfo,
        after: u64,
        workers: Option<&ConsumerInfo>,
    ) -> Result<(), ApiError> {
        let mut says = HashMap::from([
            (SINCE.to_owned(), uptime.created.clone()),
            (AFTER.to_owned(), after.to_string()),
        ]);
        says.extend(workers.map(|it| (WORK_CONSUMER.to_owned(), it.created.clone())));
        self.send_uptime(queue, "update", says).await.map(drop)
    }

    async fn send_uptime(
        &self,
        queue: &QueueName,
        action: &'static str,
        metadata: HashMap<String, String>,
    ) -> Result<UptimeInfo, ApiError> {
        let stream = self.subjects.queue_stream(queue);
        let config = consumer::Config {
            durable_name: Some(UPTIME.to_owned()),
            name: Some(UPTIME.to_owned()),
            description: Some("NAQ: shows since when the broker runs; delivers nothing".into()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            filter_subject: self.subjects.uptime(queue),
            memory_storage: true,
            metadata,
            ..consumer::Config::default()
        };
        let request = CreateConsumer { stream_name: &stream, config: &config, action };
        self.call(&api::consumer_create(&stream, UPTIME, &config.filter_subject), &request).await
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
        assert_eq!(made.covers(0).moved_after, None, "the queue was empty");
        let until: Timestamp = "2026-01-01T00:00:10.5Z".parse().expect("a time");
        assert_eq!(made.covers(3), Covered { after: 3, moved_after: Some(until) });
    }
}
