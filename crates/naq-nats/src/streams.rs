//! Reports on NAQ's streams and consumers, for operators.

use async_nats::jetstream::stream::{Config, StorageType};
use futures_util::future::try_join_all;
use naq_core::transport::{ConsumerReport, Durability, StreamReport, StreamRole, TransportError};

use crate::api::Api;
use crate::evictions::evictions;
use crate::stream_info::ConsumerInfo;
use crate::subjects::StatePart;

impl Api {
    pub(crate) async fn streams(&self) -> Result<Vec<StreamReport>, TransportError> {
        let names = &self.subjects;
        let queues = self.queues().await?.into_iter();
        let queues = queues.map(|queue| (names.queue_stream(&queue), StreamRole::Queue(queue)));
        let shared = [
            (names.dead_stream(), StreamRole::Dead),
            (names.records_stream(), StreamRole::Records),
            (names.workers_stream(), StreamRole::Workers),
            (names.state_stream(StatePart::Shared), StreamRole::State),
            (names.state_stream(StatePart::Keys), StreamRole::Keys),
            (names.state_stream(StatePart::Audit), StreamRole::Audit),
            (names.blobs_stream(), StreamRole::Blobs),
            (names.stats_stream(), StreamRole::Stats),
        ];
        let asked = queues.chain(shared).map(|(name, role)| self.report(name, role));
        Ok(try_join_all(asked).await?.into_iter().flatten().collect())
    }

    /// One stream; `None` if it does not exist.
    async fn report(
        &self,
        name: String,
        role: StreamRole,
    ) -> Result<Option<StreamReport>, TransportError> {
        let fail =
            |e: crate::error::ApiError| e.into_transport("read a stream's state", self.url());
        let wanted = self.configs().config_of_role(&role);
        let Some(info) = self.stream_info(&name).await.map_err(fail)? else { return Ok(None) };
        let consumer = match &role {
            StreamRole::Queue(queue) => match self.consumer_info(queue).await.map_err(fail)? {
                Some(consumer) => {
                    let forgotten = self.count_forgotten(queue, consumer.clone()).await?;
                    Some(consumer_report(consumer, forgotten))
                }
                None => None,
            },
            _ => None,
        };
        Ok(Some(StreamReport {
            name,
            role,
            messages: info.state.messages,
            bytes: info.state.bytes,
            durability: durability(&info.config),
            evicts: evictions(&wanted, &info.config),
            consumer,
        }))
    }
}

fn consumer_report(info: ConsumerInfo, forgotten: u64) -> ConsumerReport {
    ConsumerReport {
        held_limit: info.terms().limit,
        name: info.config.durable_name.unwrap_or_default(),
        lag: info.num_pending,
        held: info.num_ack_pending,
        redelivered: info.num_redelivered,
        waiting_requests: info.num_waiting,
        paused: info.paused,
        forgotten,
    }
}

pub(crate) fn durability(config: &Config) -> Durability {
    Durability {
        on_disk: config.storage == StorageType::File,
        replicas: u32::try_from(config.num_replicas).unwrap_or(u32::MAX),
    }
}
