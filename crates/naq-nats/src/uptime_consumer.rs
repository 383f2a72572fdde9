//! Reads, makes and renews the uptime consumer of a queue. [`uptime`](crate::uptime) says what it proves.

use std::collections::HashMap;

use naq_core::QueueName;

use crate::api::Api;
use crate::error::ApiError;
use crate::error_codes::{CONSUMER_EXISTS, CONSUMER_NOT_FOUND};
use crate::stream_info::{ConsumerInfo, CreateConsumer};
use crate::subjects::{UPTIME, api};
use crate::uptime::{Covered, UptimeInfo, UptimeStep, step};

impl Api {
    /// What a single broker proves of the messages of this queue, for a worker that has just opened it.
    /// `None` if it proves nothing. Makes the uptime consumer if it is missing, and this user may.
    pub(crate) async fn covered(&self, queue: &QueueName) -> Option<Covered> {
        if self.uptime_consumers.are_denied() {
            return None;
        }
        let covered = self.read_or_renew_uptime(queue).await;
        self.unless_denied(queue, covered).flatten()
    }

    /// Makes the uptime consumer of a queue that has none, so that it covers the jobs that are enqueued
    /// from now on. For producers to a single broker. Looks once on each connection.
    pub(crate) async fn ensure_uptime(&self, queue: &QueueName) {
        let connection = self.connection.state().connects;
        let looks = self.uptime_consumers.must_look(queue, connection);
        if looks && !self.uptime_consumers.are_denied() {
            self.make_uptime(queue).await;
        }
    }

    /// The same for a queue that was created just now.
    pub(crate) async fn make_uptime(&self, queue: &QueueName) {
        let made = self.make_missing_uptime(queue).await;
        self.unless_denied(queue, made);
    }

    fn unless_denied<T>(&self, queue: &QueueName, done: Result<T, ApiError>) -> Option<T> {
        done.inspect_err(|error| {
            tracing::debug!(%queue, ?error, "no uptime consumer");
            if error.is_permission() {
                self.uptime_consumers.deny();
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
        Ok(Some(uptime.covers(after, workers.delivered.consumer_seq)))
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
        let says = uptime.metadata(after, workers.map(|it| it.created.as_str()));
        self.send_uptime(queue, "update", says).await.map(drop)
    }

    async fn send_uptime(
        &self,
        queue: &QueueName,
        action: &'static str,
        metadata: HashMap<String, String>,
    ) -> Result<UptimeInfo, ApiError> {
        let stream = self.subjects.queue_stream(queue);
        let config = self.configs().uptime_config(queue, metadata);
        let request = CreateConsumer { stream_name: &stream, config: &config, action };
        self.call(&api::consumer_create(&stream, UPTIME, &config.filter_subject), &request).await
    }
}
