//! [`NatsSubscription`]: fetches the deliveries of one queue, as many as the worker has free slots.
//!
//! The pull streams of async-nats always keep a batch open, and the messages that they buffer lose
//! lease time. So this module sends the pulls itself. Each pull has its own reply subject below one
//! inbox, and its number shows which pull a status belongs to. All state is in `self`, so a dropped
//! fetch loses nothing.

mod arrivals;
mod check_queue;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Subscriber;
use async_trait::async_trait;
use futures_util::StreamExt;
use naq_core::QueueName;
use naq_core::transport::{Consumer, Delivery, Subscription, TransportError};
use serde::Serialize;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::api::Api;
use crate::connection_monitor::{ConnectionState, NoAnswer};
use crate::consumer_watch::ConsumerWatch;
use crate::early::EarlyDeliveries;
use crate::pulls::{EXPIRES, OpenPulls};
use crate::stream_info::ConsumerTerms;
use crate::subjects::api;
use crate::transport::NatsTransport;
use crate::unreadable_jobs::FetchedOn;

/// How long to wait before the next pull after the broker refused one.
const REFUSED_PAUSE: Duration = Duration::from_millis(250);
/// How often to check whether the queue has jobs although the pulls bring none.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How long to wait for messages that may still arrive when a queue is closed.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize)]
struct PullRequest {
    batch: usize,
    max_bytes: usize,
    /// In nanoseconds, as all durations of the API.
    expires: u64,
}

/// The subscription on which deliveries and statuses arrive.
#[derive(Debug)]
struct PullInbox {
    subject: String,
    messages: Subscriber,
    /// The connection on which it was opened.
    connection: ConnectionState,
    /// The same, to find a job that breaks it.
    fetched_on: FetchedOn,
}

/// The deliveries of one queue.
#[derive(Debug)]
pub(crate) struct NatsSubscription {
    api: Arc<Api>,
    queue: QueueName,
    stream: String,
    terms: ConsumerTerms,
    wanted_lease: Duration,
    inbox: Option<PullInbox>,
    /// The connection of the last inbox, if its client has ended.
    lost_inbox: Option<FetchedOn>,
    /// Earlier inboxes, until all their messages have arrived.
    old_inboxes: Vec<Subscriber>,
    pulls: OpenPulls,
    watch: ConsumerWatch,
    /// The bytes that a message needs which was too large for a pull. Usually 0: the largest message
    /// fits. But an operator may have lowered the broker's limit after it stored the message.
    large: usize,
    ready: VecDeque<Delivery>,
    /// Deliveries whose time has not come.
    early: EarlyDeliveries,
    /// The number of refusals before the last pull was sent.
    refusals: u64,
    /// No pull is sent before this time.
    resume_at: Option<Instant>,
    /// When the queue, which was removed, is created again.
    create_at: Option<Instant>,
    /// When an empty pull last caused a check of the queue.
    checked_at: Instant,
    /// A pull ended empty, or had no subscriber: check whether the queue still exists.
    check_needed: bool,
}

impl NatsSubscription {
    pub(crate) async fn open(
        api: Arc<Api>,
        queue: QueueName,
        lease: Duration,
    ) -> Result<Self, TransportError> {
        api.ensure_queue(&queue).await?;
        api.warn_of_evictions(&queue).await;
        api.ensure_stream(&api.configs().dead_config()).await?;
        api.ensure_stream(&api.configs().records_config()).await?;
        // Only jobs with limits, unique keys and the like need the state store. Other jobs run
        // without it.
        if let Err(error) = api.ensure_stream(&api.configs().state_config()).await {
            if matches!(error, TransportError::NewerSchema { .. }) {
                return Err(error);
            }
            tracing::debug!(%error, "the stream of the state store is missing");
        }
        let stream = api.subjects.queue_stream(&queue);
        let refusals = api.connection.state().refusals;
        let terms = api.ensure_consumer(&queue, lease).await?;
        api.limited_queues.set(&queue, terms.limit.is_some());
        let mut subscription = Self {
            api,
            queue,
            stream,
            terms,
            wanted_lease: lease,
            inbox: None,
            lost_inbox: None,
            old_inboxes: Vec::new(),
            pulls: OpenPulls::default(),
            watch: ConsumerWatch::new(Instant::now()),
            large: 0,
            ready: VecDeque::new(),
            early: EarlyDeliveries::default(),
            refusals,
            resume_at: None,
            create_at: None,
            checked_at: Instant::now(),
            check_needed: false,
        };
        subscription.api.under_way.queue_opened();
        // This must happen now, not at the first fetch. Messages stored from now on are not
        // suspect.
        subscription.prepare_connection().await?;
        Ok(subscription)
    }

    /// Prepares the next pull. The connection may have changed since the last one.
    async fn prepare_connection(&mut self) -> Result<(), TransportError> {
        let now = self.api.connection.state();
        if self.inbox.as_ref().is_none_or(|inbox| inbox.connection.connects != now.connects) {
            self.watch.connection_opened(Instant::now());
            if let Some(before) = self.open_inbox(now).await? {
                self.ready.extend(self.api.unreadable_jobs(&self.queue, &before).await);
            }
        }
        if !self.watch.learn(&self.api, &self.queue, &self.stream).await {
            self.check_needed = true;
        }
        if std::mem::take(&mut self.check_needed) {
            self.check_queue().await?;
        }
        Ok(())
    }

    /// Requests as many deliveries as there is room for.
    async fn pull(&mut self, max: usize) -> Result<(), TransportError> {
        let now = Instant::now();
        let were_open = self.pulls.are_open();
        self.pulls.drop_expired(now);
        if were_open && !self.pulls.are_open() {
            self.watch.heard(false, now);
        }
        if self.resume_at.is_some_and(|at| now < at) || self.early.is_full() {
            return Ok(());
        }
        self.resume_at = None;
        let batch = self.pulls.wanted(max);
        let Some(inbox) = self.inbox.as_ref().filter(|_| batch > 0) else { return Ok(()) };
        let bound = self.api.under_way.pull_bytes(self.api.client().max_payload());
        let Some(max_bytes) = self.pulls.bytes(bound, self.large) else { return Ok(()) };
        let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let expires = nanos(EXPIRES.min(self.terms.lease / 3));
        let request = PullRequest { batch, max_bytes, expires };
        let what = api::pull(&self.stream);
        let rejected = |reason: String| TransportError::Rejected { what: what.clone(), reason };
        let body = serde_json::to_vec(&request).map_err(|e| rejected(e.to_string()))?;
        let reply = format!("{}.{}", inbox.subject, self.pulls.next());
        self.refusals = self.api.connection.state().refusals;
        let client = self.api.client();
        let sent = client.publish_with_reply(what.clone(), reply, body.into()).await;
        sent.map_err(|e| self.api.publish_error(&what, &e))?;
        self.pulls.on_sent(batch, max_bytes, now);
        self.watch.pull_sent(now);
        Ok(())
    }

    /// Waits until a message arrives or the connection changes, at most until `deadline`.
    async fn wait(&mut self, deadline: Instant) -> Result<(), TransportError> {
        let Some(inbox) = self.inbox.as_mut() else { return Ok(()) };
        let connection = inbox.connection;
        let silent_at = self.pulls.silent_at();
        let wake = [Some(deadline), silent_at, self.resume_at, self.early.next_due()];
        let wake = wake.into_iter().flatten().min().unwrap_or(deadline);
        // Counts refusals since the last pull, and losses from now on. A refusal that was seen
        // before only ends the wait early.
        let since = ConnectionState { refusals: self.refusals, ..self.api.connection.state() };
        let pull = api::pull(&self.stream);
        let monitor = &self.api.connection;
        let inbox_prefix = &self.api.config.inbox_prefix;
        tokio::select! {
            biased;
            message = inbox.messages.next() => match message {
                Some(message) => self.on_message(message),
                // The client has ended.
                None => self.lost_inbox = self.inbox.take().map(|inbox| inbox.fetched_on),
            },
            () = monitor.reconnected(connection) => {}
            no_answer = monitor.wait_for_no_answer(since, &pull, inbox_prefix) => {
                if let NoAnswer::Refused(subject) = no_answer {
                    return Err(TransportError::Permission { subject });
                }
            }
            () = sleep_until(wake) => {
                let silent = silent_at.is_some_and(|at| at <= Instant::now());
                if silent && monitor.state().connected {
                    tracing::warn!(queue = %self.queue, "the broker is silent: opening a new inbox");
                    self.open_inbox(self.api.connection.state()).await?;
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Subscription for NatsSubscription {
    async fn fetch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        let deadline = Instant::now() + wait;
        loop {
            self.drain_inboxes();
            let now = Instant::now();
            self.ready.extend(std::iter::from_fn(|| self.early.take_due(now)));
            if !self.ready.is_empty() {
                let all = self.ready.len();
                let count = if max == 0 { all } else { all.min(max) };
                return Ok(self.ready.drain(..count).collect());
            }
            if Instant::now() >= deadline {
                return Ok(Vec::new());
            }
            if timeout(deadline - Instant::now(), self.api.connection.connected()).await.is_err() {
                return Err(self.api.unanswered_error("fetch", wait));
            }
            self.prepare_connection().await?;
            // Without room this sends no pull, but removes the pulls that have ended.
            self.pull(max).await?;
            self.wait(deadline).await?;
        }
    }

    fn lease(&self) -> Duration {
        self.terms.lease
    }

    fn limit(&self) -> Option<u64> {
        self.terms.limit
    }

    async fn close(mut self: Box<Self>) -> Vec<Delivery> {
        // The broker counts a delivery that no worker receives, which would look like a crash. So
        // this waits for the deliveries that were requested.
        let deadline = Instant::now() + EXPIRES + CLOSE_WAIT;
        while self.pulls.are_open() && self.api.connection.state().connected {
            let Some(inbox) = self.inbox.as_mut() else { break };
            match timeout_at(deadline, inbox.messages.next()).await {
                Ok(Some(message)) => self.on_message(message),
                Ok(None) | Err(_) => break,
            }
        }
        if let Some(mut inbox) = self.inbox.take()
            && timeout(CLOSE_WAIT, inbox.messages.drain()).await.is_ok_and(|sent| sent.is_ok())
        {
            self.old_inboxes.push(inbox.messages);
        }
        for mut inbox in std::mem::take(&mut self.old_inboxes) {
            // async-nats forgets the subscription before the broker has confirmed that nothing more
            // will arrive. By now no pull is open.
            while let Ok(Some(message)) = timeout(CLOSE_WAIT, inbox.next()).await {
                self.on_delivery(message, None);
            }
        }
        self.ready.extend(self.early.take_all());
        std::mem::take(&mut self.ready).into()
    }
}

/// From now on nothing is heard of the consumer.
impl Drop for NatsSubscription {
    fn drop(&mut self) {
        self.api.under_way.queue_closed();
        self.watch.closed();
    }
}

#[async_trait]
impl Consumer for NatsTransport {
    async fn subscribe(
        &self,
        queue: &QueueName,
        lease: Duration,
    ) -> Result<Box<dyn Subscription>, TransportError> {
        Ok(Box::new(NatsSubscription::open(Arc::clone(&self.api), queue.clone(), lease).await?))
    }

    async fn has_job(&self, queue: &QueueName) -> Result<bool, TransportError> {
        let fail = |e: crate::error::ApiError| {
            e.into_transport("ask whether the queue has a job", self.api.url())
        };
        let Some(consumer) = self.api.consumer_info(queue).await.map_err(fail)? else {
            return Ok(false);
        };
        // Less than 0: no limit.
        let limit = u64::try_from(consumer.config.max_ack_pending).unwrap_or(u64::MAX);
        let has_room = consumer.num_ack_pending < limit;
        Ok(consumer.num_pending > 0 && !consumer.paused && has_room)
    }

    async fn forgotten(&self, queue: &QueueName) -> Result<Vec<Delivery>, TransportError> {
        self.api.forgotten(queue).await
    }
}
