//! Makes NAQ's streams and consumers if they are missing and this user may create them. Existing ones are
//! never changed.

use std::time::Duration;

use async_nats::jetstream::stream::Config;
use naq_core::QueueName;
use naq_core::names::CHORES;
use naq_core::transport::TransportError;
use tokio::time::Instant;

use crate::api::Api;
use crate::error::ApiError;
use crate::error_codes::{
    CONSUMER_EXISTS, CONSUMER_NOT_FOUND, STREAM_NAME_IN_USE, STREAM_NOT_FOUND,
};
use crate::stream_config::{DEFAULT_LEASE, SHARED, check_echo};
use crate::stream_info::{ConsumerInfo, ConsumerTerms, CreateConsumer, StreamInfo};
use crate::subjects::{CONSUMER, StatePart, api};

impl Api {
    /// Describes a stream; `None` if it does not exist. Also compares the clocks.
    pub(crate) async fn stream_info(&self, stream: &str) -> Result<Option<StreamInfo>, ApiError> {
        let asked = self.config.clock.now();
        let answer = self.call_with_retry(&api::stream_info(stream), &()).await;
        let info: StreamInfo = match answer {
            Ok(info) => info,
            Err(error) if error.is(STREAM_NOT_FOUND) => return Ok(None),
            Err(error) => return Err(error),
        };
        if let Some(broker) = info.broker_now() {
            self.offset.measured(asked, broker, self.config.clock.now());
        }
        Ok(Some(info))
    }

    /// Describes a queue's consumer; `None` if it does not exist.
    pub(crate) async fn consumer_info(
        &self,
        queue: &QueueName,
    ) -> Result<Option<ConsumerInfo>, ApiError> {
        let stream = self.subjects.queue_stream(queue);
        match self.call_with_retry(&api::consumer_info(&stream), &()).await {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.is(CONSUMER_NOT_FOUND) || error.is(STREAM_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that the stream exists and has the settings that NAQ needs. Returns true if it
    /// was created now. Returns false if this user may not read its description; a later request
    /// then shows whether it exists.
    pub(crate) async fn ensure_stream(&self, wanted: &Config) -> Result<bool, TransportError> {
        let ensured = match self.stream_info(&wanted.name).await {
            Ok(Some(info)) => check_echo(wanted, &info.config).map(|()| false),
            Ok(None) => self.create_stream(wanted).await,
            Err(error) if error.is_permission() => Ok(false),
            Err(error) => Err(error.into_transport("describe a stream", self.url())),
        };
        if ensured.is_ok() && wanted.name == self.subjects.state_stream(StatePart::Shared) {
            self.state_schema.set_known();
        }
        ensured
    }

    async fn create_stream(&self, wanted: &Config) -> Result<bool, TransportError> {
        let fail = |error: ApiError| error.into_transport("read the replicas", self.url());
        let wanted = &self.with_replicas(wanted).await.map_err(fail)?;
        let created = self.call_with_retry(&api::stream_create(&wanted.name), wanted).await;
        let info: StreamInfo = match created {
            Ok(info) => info,
            // Another process has created it in the meantime.
            Err(error) if error.is(STREAM_NAME_IN_USE) => return Ok(true),
            Err(error) if error.is_permission() => {
                return Err(match self.subjects.queue_of_stream(&wanted.name) {
                    Some(queue) => TransportError::NoQueue(queue.to_string()),
                    None => TransportError::Rejected {
                        what: format!("create the stream {}", wanted.name),
                        reason: "this user may not create streams; start one worker with a user \
                                 that may (see docs/operating.md)"
                            .into(),
                    },
                });
            }
            Err(error) => return Err(self.create_error(wanted, error)),
        };
        tracing::info!(stream = wanted.name, replicas = wanted.num_replicas, "created");
        if let Some(queue) = self.subjects.queue_of_stream(&wanted.name)
            && !info.is_clustered()
        {
            self.make_uptime(&queue).await;
        }
        check_echo(wanted, &info.config).map(|()| true)
    }

    /// Like [`ensure_stream`](Self::ensure_stream), for the queue's stream.
    pub(crate) async fn ensure_queue(&self, queue: &QueueName) -> Result<bool, TransportError> {
        self.ensure_stream(&self.configs().queue_config(queue)).await
    }

    /// Makes sure that all streams exist that jobs of this queue need, with the consumers of the queue and
    /// of the chores.
    pub(crate) async fn create_all_streams(&self, queue: &QueueName) -> Result<(), TransportError> {
        for role in SHARED {
            self.ensure_stream(&self.configs().config_of_role(&role)).await?;
        }
        for queue in [Some(queue.clone()), QueueName::new(CHORES).ok()].into_iter().flatten() {
            self.ensure_queue(&queue).await?;
            self.ensure_consumer(&queue, DEFAULT_LEASE).await?;
        }
        Ok(())
    }

    /// Makes sure that the queue has its consumer. Returns its lease and limit.
    pub(crate) async fn ensure_consumer(
        &self,
        queue: &QueueName,
        lease: Duration,
    ) -> Result<ConsumerTerms, TransportError> {
        let stream = self.subjects.queue_stream(queue);
        let requested = ConsumerTerms { lease, limit: None };
        let fail = |error: ApiError| error.into_transport("open the queue", self.url());
        match self.consumer_info(queue).await {
            Ok(Some(info)) => return Ok(info.terms()),
            Ok(None) => {}
            Err(error) if error.is_permission() => return Ok(requested),
            Err(error) => return Err(fail(error)),
        }
        let config = self.configs().consumer_config(queue, lease);
        let request = CreateConsumer { stream_name: &stream, config: &config, action: "create" };
        let subject = api::consumer_create(&stream, CONSUMER, &config.filter_subject);
        let until = Instant::now() + self.config.request_timeout;
        let created = loop {
            match self.call_with_retry::<_, ConsumerInfo>(&subject, &request).await {
                // The broker found a consumer of this name, and it was deleted before the broker could
                // compare its settings.
                Err(error) if error.lacks_consumer() && Instant::now() < until => {}
                created => break created,
            }
        };
        match created {
            Ok(info) => Ok(info.terms()),
            Err(error) if CONSUMER_EXISTS.iter().any(|code| error.is(*code)) => {
                let info = self.consumer_info(queue).await.map_err(fail)?;
                Ok(info.map_or(requested, |info| info.terms()))
            }
            Err(error) if error.is_permission() || error.is(STREAM_NOT_FOUND) => {
                Err(TransportError::NoQueue(queue.to_string()))
            }
            Err(error) => Err(fail(error)),
        }
    }
}
