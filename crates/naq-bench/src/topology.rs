//! [`BenchStreams`]: the streams of one side, through the broker's own API. The raw side's streams are
//! copies of those that NAQ created. All are removed at the end.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use async_nats::jetstream::consumer::{self, FromConsumer, pull};
use async_nats::jetstream::{self, stream};
use futures_util::TryStreamExt;
use naq_core::{Clock, SystemClock};
use serde_json::{Value, json};

/// The consumer that delivers a queue's jobs.
pub(crate) const CONSUMER: &str = "workers";
/// The queue of all measures but the dashboard's.
pub(crate) const QUEUE: &str = "bench";

/// The streams under one prefix.
#[derive(Debug, Clone)]
pub(crate) struct BenchStreams {
    pub(crate) js: jetstream::Context,
    pub(crate) queue: String,
    record_stream: String,
    /// The prefixes of the subjects, up to the id.
    pub(crate) jobs: String,
    pub(crate) schedules: String,
    pub(crate) records: String,
}

impl BenchStreams {
    /// The names that NAQ gives to its streams and subjects under `prefix`.
    pub(crate) fn new(js: &jetstream::Context, prefix: &str) -> Self {
        let upper = prefix.to_ascii_uppercase();
        let subject = |letter| format!("{prefix}.{letter}.{QUEUE}.");
        Self {
            js: js.clone(),
            queue: format!("{upper}_Q_{QUEUE}"),
            record_stream: format!("{upper}_RECORDS"),
            jobs: subject('q'),
            schedules: subject('s'),
            records: subject('r'),
        }
    }

    /// Pauses the queue, or resumes it.
    pub(crate) async fn pause(&self, pause: bool) -> Result<()> {
        let until = SystemClock.now() + Duration::from_secs(600);
        let ask = if pause { json!({ "pause_until": until }) } else { json!({}) };
        self.call(format!("CONSUMER.PAUSE.{}.{CONSUMER}", self.queue), ask).await.map(drop)
    }

    /// Messages in the queue's stream, those of waiting and running jobs included.
    pub(crate) async fn queued(&self) -> Result<u64> {
        let info = self.call(format!("STREAM.INFO.{}", self.queue), json!({})).await?;
        info["state"]["messages"].as_u64().context("a stream without a count of messages")
    }

    /// Removes all messages from the queue and the records.
    pub(crate) async fn purge(&self) -> Result<()> {
        for stream in [&self.queue, &self.record_stream] {
            self.call(format!("STREAM.PURGE.{stream}"), json!({})).await?;
        }
        Ok(())
    }

    /// Removes what shows since when the broker runs, as a restart does.
    pub(crate) async fn forget_uptime(&self) -> Result<()> {
        let subject = format!("CONSUMER.DELETE.{}.uptime", self.queue);
        // The raw side has none.
        let _: Value = self.js.request(subject, &json!({})).await?;
        Ok(())
    }

    async fn call(&self, subject: String, ask: Value) -> Result<Value> {
        let answer: Value = self.js.request(subject, &ask).await?;
        match answer.get("error") {
            Some(error) => Err(anyhow!("the broker refused: {error}")),
            None => Ok(answer),
        }
    }
}

/// Copies the definitions of the job stream, the record stream and the consumer to another prefix.
pub(crate) async fn copy(js: &jetstream::Context, from: &str, to: &str) -> Result<()> {
    let (theirs, ours) = (BenchStreams::new(js, from), BenchStreams::new(js, to));
    for (source, name) in
        [(&theirs.queue, &ours.queue), (&theirs.record_stream, &ours.record_stream)]
    {
        let stream = js.get_stream(source).await.with_context(|| format!("no stream {source}"))?;
        let config = stream.cached_info().config.clone();
        let subjects = config.subjects.iter().map(|s| s.replacen(from, to, 1)).collect();
        js.create_stream(stream::Config { name: name.clone(), subjects, ..config }).await?;
    }
    let source: consumer::Consumer<pull::Config> =
        js.get_consumer_from_stream(CONSUMER, &theirs.queue).await?;
    let mut config = source.cached_info().config.clone();
    config.filter_subject = config.filter_subject.replacen(from, to, 1);
    let config =
        pull::Config::try_from_consumer_config(config).map_err(anyhow::Error::from_boxed)?;
    js.create_consumer_on_stream(config, &ours.queue).await?;
    Ok(())
}

/// Removes every stream of these prefixes. They are random, so no other program uses them.
pub(crate) async fn remove(js: &jetstream::Context, prefixes: &[String]) -> Result<()> {
    let ours: Vec<String> =
        prefixes.iter().map(|p| format!("{}_", p.to_ascii_uppercase())).collect();
    let names: Vec<String> = js.stream_names().try_collect().await?;
    for name in names.iter().filter(|name| ours.iter().any(|prefix| name.starts_with(prefix))) {
        js.delete_stream(name).await.with_context(|| format!("cannot remove the stream {name}"))?;
    }
    Ok(())
}
