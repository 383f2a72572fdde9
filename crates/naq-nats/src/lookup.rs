//! Finds and counts jobs. Reads only the messages that the answer needs.

use std::collections::HashMap;

use async_trait::async_trait;
use futures_util::future::{try_join_all, try_join4};
use naq_core::transport::{
    BrokerInfo, BrokerSchedule, DeadPage, EndWatch, Evidence, JobKey, JobsPage, JobsQuery, Lookup,
    Place, QueueInfo, Stored, StreamReport, TransportError, WaitingPage,
};
use naq_core::{JobId, QueueName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::end_watch::NatsEndWatch;
use crate::evictions::evictions;
use crate::queue_bound::bound_of;
use crate::stream_info::ConsumerInfo;
use crate::subjects::StatePart;
use crate::subjects::api;
use crate::transport::NatsTransport;

#[derive(Debug, Serialize)]
struct StreamNamesRequest<'a> {
    offset: usize,
    subject: &'a str,
}

#[derive(Debug, Deserialize)]
struct StreamNamesReply {
    #[serde(default)]
    total: usize,
    #[serde(default)]
    streams: Option<Vec<String>>,
}

impl Api {
    /// The last message on each of these places, for one job.
    pub(crate) async fn last_at(
        &self,
        key: &JobKey,
        places: &[Place],
    ) -> Result<Vec<Stored>, TransportError> {
        let mut lists = self.last_of_each(std::slice::from_ref(key), places).await?;
        Ok(lists.pop().unwrap_or_default())
    }

    /// The last message on each of these places, for each job, in the order of the keys.
    pub(crate) async fn last_of_each(
        &self,
        keys: &[JobKey],
        places: &[Place],
    ) -> Result<Vec<Vec<Stored>>, TransportError> {
        self.read_each(keys, places, false).await
    }

    /// `behind_fence`: with everything that was stored before this call, also from a replica that lags.
    ///
    /// The places where jobs end are read second. A job that ends now is stored there before it leaves
    /// the queue, so that it is found in one of both.
    async fn read_each(
        &self,
        keys: &[JobKey],
        places: &[Place],
        behind_fence: bool,
    ) -> Result<Vec<Vec<Stored>>, TransportError> {
        let (ends, live): (Vec<Place>, Vec<Place>) =
            places.iter().partition(|place| matches!(place, Place::Dead | Place::Record));
        let mut lists = self.read_together(keys, &live, behind_fence).await?;
        let ended = self.read_together(keys, &ends, behind_fence).await?;
        for (list, ended) in lists.iter_mut().zip(ended) {
            list.extend(ended);
        }
        Ok(lists)
    }

    /// The last messages on these places, in no order.
    async fn read_together(
        &self,
        keys: &[JobKey],
        places: &[Place],
        behind_fence: bool,
    ) -> Result<Vec<Vec<Stored>>, TransportError> {
        // The same key may be asked for twice.
        let mut indexes: HashMap<&JobKey, Vec<usize>> = HashMap::new();
        for (index, key) in keys.iter().enumerate() {
            indexes.entry(key).or_default().push(index);
        }
        let mut wanted: HashMap<String, Vec<String>> = HashMap::new();
        for key in indexes.keys() {
            for place in places {
                let stream = self.subjects.stream(*place, &key.queue);
                wanted.entry(stream).or_default().push(self.subjects.job(*place, key));
            }
        }
        let requests = wanted.into_iter().map(|(stream, subjects)| async move {
            if behind_fence && let Some(found) = self.last_behind_fence(&stream, &subjects).await? {
                return Ok(found);
            }
            self.last_of(&stream, subjects).await
        });
        let mut lists: Vec<Vec<Stored>> = keys.iter().map(|_| Vec::new()).collect();
        for message in try_join_all(requests).await?.into_iter().flatten() {
            let Some(stored) = self.to_stored(message) else { continue };
            for index in indexes.get(&stored.key).into_iter().flatten() {
                lists[*index].push(stored.clone());
            }
        }
        Ok(lists)
    }

    async fn locate(&self, key: &JobKey) -> Result<Vec<Stored>, TransportError> {
        let mut found = self.last_at(key, &Place::ALL).await?;
        if found.is_empty() {
            found = self.last_at_leaders(key).await?;
        }
        if let Some(queued) = found.iter_mut().find(|stored| stored.place == Place::Queue) {
            let info = self.consumer_info(&key.queue).await;
            let info = info.map_err(|e| e.into_transport("read the queue's state", self.url()))?;
            // The broker delivers messages in the order of their sequences. A message in the queue
            // up to the last delivered sequence is with a worker.
            queued.delivered = info.is_some_and(|info| info.delivered.stream_seq >= queued.seq);
        }
        Ok(found)
    }

    async fn find(&self, id: &JobId) -> Result<Vec<QueueName>, TransportError> {
        let anywhere = |place| self.subjects.anywhere(place, id);
        let mut streams: Vec<(String, Vec<String>)> = self
            .queues()
            .await?
            .iter()
            .map(|queue| {
                let subjects = [Place::Queue, Place::Schedule].map(anywhere);
                (self.subjects.queue_stream(queue), subjects.into())
            })
            .collect();
        streams.push((self.subjects.dead_stream(), vec![anywhere(Place::Dead)]));
        streams.push((self.subjects.records_stream(), vec![anywhere(Place::Record)]));
        let requests = streams
            .into_iter()
            .map(|(stream, subjects)| async move { self.last_of(&stream, subjects).await });
        let found = try_join_all(requests).await?;
        let mut queues: Vec<_> = found
            .into_iter()
            .flatten()
            .filter_map(|message| Some(self.to_stored(message)?.key.queue))
            .collect();
        queues.sort();
        queues.dedup();
        Ok(queues)
    }

    pub(crate) async fn queues(&self) -> Result<Vec<QueueName>, TransportError> {
        let subject = self.subjects.of_all(Place::Queue);
        let mut queues = Vec::new();
        let mut seen = 0;
        loop {
            let request = StreamNamesRequest { offset: seen, subject: &subject };
            let page: StreamNamesReply = self
                .call_with_retry(api::STREAM_NAMES, &request)
                .await
                .map_err(|e| e.into_transport("list the queues", self.url()))?;
            let names = page.streams.unwrap_or_default();
            seen += names.len();
            queues.extend(names.iter().filter_map(|name| self.subjects.queue_of_stream(name)));
            if names.is_empty() || seen >= page.total {
                break;
            }
        }
        queues.sort();
        Ok(queues)
    }

    /// When the oldest pending job was stored in the queue, by the broker's clock. The broker
    /// delivers jobs in the order of their sequences.
    async fn first_pending(
        &self,
        stream: &str,
        queue: &QueueName,
        consumer: Option<&ConsumerInfo>,
    ) -> Result<Option<Timestamp>, TransportError> {
        if consumer.is_some_and(|consumer| consumer.num_pending == 0) {
            return Ok(None);
        }
        let from = consumer.map_or(1, |consumer| consumer.delivered.stream_seq + 1);
        let subject = self.subjects.of_queue(Place::Queue, queue);
        let first = self.next_of(stream, &subject, from, 1).await?;
        Ok(first.messages.first().map(|message| message.stored_at))
    }

    async fn queue_info(&self, queue: &QueueName) -> Result<Option<QueueInfo>, TransportError> {
        let stream = self.subjects.queue_stream(queue);
        let fail =
            |e: crate::error::ApiError| e.into_transport("read the queue's state", self.url());
        let Some(info) = self.stream_info(&stream).await.map_err(fail)? else { return Ok(None) };
        let consumer = self.consumer_info(queue).await.map_err(fail)?;
        let schedules = self.subjects.of_queue(Place::Schedule, queue);
        let letters = self.subjects.of_queue(Place::Dead, queue);
        let dead_stream = self.subjects.dead_stream();
        let consumer = consumer.as_ref();
        let forgotten = async {
            match consumer {
                Some(consumer) => self.count_forgotten(queue, consumer.clone()).await,
                None => Ok(0),
            }
        };
        let (waiting, dead, first, forgotten) = try_join4(
            self.count(&stream, &schedules),
            self.count(&dead_stream, &letters),
            self.first_pending(&stream, queue, consumer),
            forgotten,
        )
        .await?;
        let now = info.broker_now().unwrap_or_else(|| self.now());
        let bound = bound_of(&info.config.metadata);
        let args = self.bytes_of_args(queue, bound).await.map_err(fail)?;
        Ok(Some(QueueInfo {
            name: queue.clone(),
            // Without a consumer no worker has opened the queue: all jobs that are not waiting are
            // pending.
            pending: consumer
                .map_or(info.state.messages.saturating_sub(waiting), |c| c.num_pending),
            running: consumer.map_or(0, |c| c.num_ack_pending),
            waiting,
            dead,
            oldest: first.map(|first| now.since(first)),
            paused_until: consumer
                .filter(|c| c.paused)
                .and_then(|c| crate::operate::pause_end(&c.config)),
            lease: consumer.map(|c| c.config.ack_wait),
            concurrency_limit: consumer.and_then(|c| u64::try_from(c.config.max_ack_pending).ok()),
            bound,
            evicts: evictions(&self.configs().queue_config(queue), &info.config),
            forgotten,
            bytes: info.state.bytes.saturating_add(args),
            last_seq: info.state.last_seq,
        }))
    }
}

#[async_trait]
impl Lookup for NatsTransport {
    async fn evidence(&self, keys: &[JobKey]) -> Result<Vec<Vec<Evidence>>, TransportError> {
        let lists = self.api.read_each(keys, &Place::ALL, true).await?;
        Ok(lists.iter().map(|list| list.iter().map(Evidence::from).collect()).collect())
    }

    async fn purged_at(&self, keys: &[JobKey]) -> Result<Vec<Option<Timestamp>>, TransportError> {
        self.purge_times(keys).await
    }

    async fn locate(&self, key: &JobKey) -> Result<Vec<Stored>, TransportError> {
        self.api.locate(key).await
    }

    async fn watch_end(&self, key: &JobKey) -> Result<Box<dyn EndWatch>, TransportError> {
        Ok(Box::new(NatsEndWatch::begin(&self.api, key).await?))
    }

    async fn find(&self, id: &JobId) -> Result<Vec<QueueName>, TransportError> {
        self.api.find(id).await
    }

    async fn queues(&self) -> Result<Vec<QueueName>, TransportError> {
        self.api.queues().await
    }

    async fn queue_info(&self, queue: &QueueName) -> Result<Option<QueueInfo>, TransportError> {
        self.api.queue_info(queue).await
    }

    async fn dead_letters(
        &self,
        queue: Option<&QueueName>,
        from: u64,
        limit: usize,
    ) -> Result<DeadPage, TransportError> {
        self.api.dead_letters(queue, from, limit).await
    }

    async fn waiting_jobs(
        &self,
        queue: &QueueName,
        from: u64,
        limit: usize,
    ) -> Result<WaitingPage, TransportError> {
        let api = &*self.api;
        let subject = api.subjects.of_queue(Place::Schedule, queue);
        let batch = api.next_of(&api.subjects.queue_stream(queue), &subject, from, limit).await?;
        let next = batch.messages.last().filter(|_| batch.left > 0).map(|last| last.seq + 1);
        let jobs =
            batch.messages.into_iter().filter_map(|message| api.to_stored(message)).collect();
        Ok(WaitingPage { jobs, next })
    }

    async fn jobs(&self, query: &JobsQuery) -> Result<JobsPage, TransportError> {
        self.api.jobs(query).await
    }

    async fn broker(&self) -> Result<BrokerInfo, TransportError> {
        if self.api.offset.is_outdated(self.api.config.clock.now()) {
            // These requests compare the clocks. If neither stream exists yet, there is nothing
            // that the difference could affect.
            let subjects = &self.api.subjects;
            if let Ok(None) = self.api.stream_info(&subjects.records_stream()).await {
                let _ = self.api.stream_info(&subjects.state_stream(StatePart::Shared)).await;
            }
        }
        let server = self.api.client().server_info();
        Ok(BrokerInfo {
            server: format!("nats-server {}", server.version),
            clock_ahead_ms: self.api.offset.ahead_ms(),
            max_payload: self.api.client().max_payload(),
        })
    }

    async fn streams(&self) -> Result<Vec<StreamReport>, TransportError> {
        self.api.streams().await
    }

    async fn broker_schedules(
        &self,
        queue: &QueueName,
    ) -> Result<Vec<BrokerSchedule>, TransportError> {
        self.api.broker_schedules(queue).await
    }

    fn broker_now(&self) -> Option<Timestamp> {
        self.api.offset.broker_now(self.api.config.clock.now())
    }

    fn is_alive(&self) -> bool {
        !self.api.connection.state().ended
    }

    fn is_connected(&self) -> bool {
        self.api.connection.state().connected
    }
}
