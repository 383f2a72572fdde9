//! Deliveries of one queue, exactly as many as there are slots: [`Fetch`].
//!
//! async-nats' own pull streams keep a batch under way whatever the slots do, and what they hold
//! ages. So pulls are sent by hand, each with a reply subject of its own below one inbox: its
//! number tells which pull a status is about. All state is in `self`, so a fetch that is dropped
//! half-way loses nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use naq_core::QueueName;
use naq_core::transport::{Consumer, Delivery, Subscription, TransportError};
use serde::Serialize;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::api::Api;
use crate::delivery;
use crate::link::{LinkState, Trouble};
use crate::pulls::{EXPIRES, Pulls};
use crate::subjects::api;
use crate::topology::Terms;
use crate::transport::NatsTransport;

const NO_MESSAGES: u16 = 404;
const EXPIRED: u16 = 408;
const CONFLICT: u16 = 409;
const NO_RESPONDERS: u16 = 503;

/// Pause before asking a broker again that would not hear of it.
const REFUSED_PAUSE: Duration = Duration::from_millis(250);
/// A broker that was killed may find schedules again that had fired, and fires them anew as soon as
/// it is back: what a schedule brings late in this time after a connection began is checked too.
const REFIRED: Duration = Duration::from_secs(10);
/// How often a look is taken whether jobs are there although no pull brings one.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long to wait for what is on its way when a queue is closed.
const CLOSING: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize)]
struct Ask {
    batch: usize,
    /// Nanoseconds, as all durations of the API.
    expires: u64,
}

/// The subscription that deliveries and statuses arrive on.
#[derive(Debug)]
struct Inbox {
    subject: String,
    messages: Subscriber,
    /// The connection that it was made on.
    made: LinkState,
}

/// Deliveries of one queue.
#[derive(Debug)]
pub(crate) struct Fetch {
    api: Arc<Api>,
    queue: QueueName,
    stream: String,
    terms: Terms,
    asked_lease: Duration,
    inbox: Option<Inbox>,
    /// Earlier inboxes, until all that was on its way to them has come.
    retired: Vec<Subscriber>,
    pulls: Pulls,
    ready: VecDeque<Delivery>,
    /// The stream's last sequence when this connection began: what is older may have been settled
    /// on an earlier one. None while not known, and then everything may have been.
    settled_until: Option<u64>,
    /// When this connection was first used.
    opened: Instant,
    /// This user may not see it.
    hidden: bool,
    /// Refusals before the last pull was sent.
    refusals: u64,
    /// No pull before this.
    resume_at: Option<Instant>,
    /// When an empty pull last made us look.
    looked_at: Instant,
    /// A pull ended empty, or found nobody: see whether the queue is still as it should be.
    check: bool,
}

impl Fetch {
    pub(crate) async fn open(
        api: Arc<Api>,
        queue: QueueName,
        lease: Duration,
    ) -> Result<Self, TransportError> {
        api.ensure_queue(&queue).await?;
        api.ensure_stream(&api.dead_config()).await?;
        api.ensure_stream(&api.records_config()).await?;
        // Only for jobs that share something: the others do without it.
        if let Err(error) = api.ensure_stream(&api.state_config()).await {
            tracing::debug!(%error, "no stream for what workers share");
        }
        let stream = api.subjects.queue_stream(&queue);
        let refusals = api.link.now().refusals;
        let terms = api.ensure_consumer(&queue, lease).await?;
        let mut fetch = Self {
            api,
            queue,
            stream,
            terms,
            asked_lease: lease,
            inbox: None,
            retired: Vec::new(),
            pulls: Pulls::default(),
            ready: VecDeque::new(),
            settled_until: None,
            opened: Instant::now(),
            hidden: false,
            refusals,
            resume_at: None,
            looked_at: Instant::now(),
            check: false,
        };
        // Now, not at the first fetch: what is stored from here on is not suspect.
        fetch.heal().await?;
        Ok(fetch)
    }

    /// Takes in all that has arrived.
    fn collect(&mut self) {
        while let Some(message) =
            self.inbox.as_mut().and_then(|inbox| inbox.messages.next().now_or_never()).flatten()
        {
            self.accept(message);
        }
        let mut late = Vec::new();
        self.retired.retain_mut(|inbox| {
            loop {
                match inbox.next().now_or_never() {
                    Some(Some(message)) => late.push(message),
                    // Drained, and closed by it.
                    Some(None) => return false,
                    None => return true,
                }
            }
        });
        for message in late {
            self.deliver(message);
        }
    }

    fn accept(&mut self, message: Message) {
        let now = Instant::now();
        let number = self.inbox.as_ref().and_then(|inbox| {
            message.subject.strip_prefix(inbox.subject.as_str())?.strip_prefix('.')?.parse().ok()
        });
        // A job may carry a status line of its own making; only the subject tells them apart.
        match number {
            Some(number) => self.status(number, &message, now),
            None => {
                self.pulls.delivered(now);
                self.deliver(message);
            }
        }
    }

    fn deliver(&mut self, message: Message) {
        let wary = self.opened.elapsed() < REFIRED;
        let read = delivery::read(&self.api, &self.queue, message, self.settled_until, wary);
        self.ready.extend(read);
    }

    fn status(&mut self, number: u64, message: &Message, now: Instant) {
        let status = message.status.map_or(0, |status| status.as_u16());
        let text = message.description.as_deref().unwrap_or_default();
        let left = message.headers.as_ref().and_then(|headers| {
            headers.get("Nats-Pending-Messages")?.as_str().parse::<usize>().ok()
        });
        let brought_nothing = self.pulls.ended(number, left, now);
        match status {
            NO_MESSAGES | EXPIRED if brought_nothing && self.looked_at + LOOK_AGAIN <= now => {
                self.looked_at = now;
                self.check = true;
            }
            NO_MESSAGES | EXPIRED => {}
            NO_RESPONDERS => self.hold_off(now),
            CONFLICT if text.contains("Leadership Change") || text.contains("Server Shutdown") => {
                // As after a reconnect: acks on their way to the old leader may be lost.
                self.settled_until = None;
            }
            _ => {
                tracing::warn!(queue = %self.queue, status, text, "the broker ended a pull");
                self.hold_off(now);
            }
        }
    }

    fn hold_off(&mut self, now: Instant) {
        self.check = true;
        self.resume_at = Some(now + REFUSED_PAUSE);
    }

    /// Gets ready to ask: the connection may be another one than last time.
    async fn heal(&mut self) -> Result<(), TransportError> {
        let link = self.api.link.now();
        if self.inbox.as_ref().is_none_or(|inbox| inbox.made.connects != link.connects) {
            self.settled_until = None;
            self.opened = Instant::now();
            self.open_inbox(link).await?;
        }
        if self.settled_until.is_none() && !self.hidden {
            match self.api.stream_info(&self.stream).await {
                Ok(Some(info)) => self.settled_until = Some(info.state.last_seq),
                Ok(None) => self.check = true,
                Err(error) => {
                    self.hidden = error.is_permission();
                    tracing::warn!(queue = %self.queue, ?error, "every job is checked before it runs");
                }
            }
        }
        if std::mem::take(&mut self.check) {
            self.look().await?;
        }
        Ok(())
    }

    /// A new inbox, so that pulls of before have nowhere to deliver to and the count is exact.
    async fn open_inbox(&mut self, made: LinkState) -> Result<(), TransportError> {
        let subject = self.api.client().new_inbox();
        let messages = self.api.client().subscribe(format!("{subject}.*")).await;
        let messages = messages.map_err(|e| TransportError::Rejected {
            what: "subscribe to an inbox".into(),
            reason: e.to_string(),
        })?;
        self.collect();
        self.pulls.reset();
        // Whatever silenced the old one may have lost acks too.
        self.settled_until = None;
        if let Some(mut old) = self.inbox.replace(Inbox { subject, messages, made })
            && old.messages.drain().await.is_ok()
        {
            self.retired.push(old.messages);
        }
        Ok(())
    }

    /// Nothing came of a pull. Right, if there is nothing; otherwise the queue is made again, or
    /// asked again through a new inbox.
    async fn look(&mut self) -> Result<(), TransportError> {
        match self.api.consumer_info(&self.queue).await {
            Ok(Some(info)) => {
                self.terms = info.terms();
                let limit = self.terms.limit.unwrap_or(u64::MAX);
                let open = !info.paused && info.num_ack_pending < limit;
                if info.num_pending > 0 && open && self.ready.is_empty() {
                    tracing::warn!(
                        queue = %self.queue,
                        pending = info.num_pending,
                        "jobs are there and none comes: asking afresh"
                    );
                    self.open_inbox(self.api.link.now()).await?;
                }
                Ok(())
            }
            Ok(None) => {
                tracing::warn!(queue = %self.queue, "the queue is gone: opening it again");
                self.api.ensure_queue(&self.queue).await?;
                self.terms = self.api.ensure_consumer(&self.queue, self.asked_lease).await?;
                self.settled_until = None;
                Ok(())
            }
            // It was only a look.
            Err(error) if error.is_permission() || error.is_transient() => Ok(()),
            Err(error) => Err(error.into_transport("look at the queue", self.api.url())),
        }
    }

    /// Asks for what fits.
    async fn pull(&mut self, max: usize) -> Result<(), TransportError> {
        let now = Instant::now();
        self.pulls.tidy(now);
        if self.resume_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        self.resume_at = None;
        let batch = self.pulls.wanted(max);
        let Some(inbox) = self.inbox.as_ref().filter(|_| batch > 0) else { return Ok(()) };
        let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let ask = Ask { batch, expires: nanos(EXPIRES.min(self.terms.lease / 3)) };
        let what = api::pull(&self.stream);
        let rejected = |reason: String| TransportError::Rejected { what: what.clone(), reason };
        let body = serde_json::to_vec(&ask).map_err(|e| rejected(e.to_string()))?;
        let reply = format!("{}.{}", inbox.subject, self.pulls.next());
        self.refusals = self.api.link.now().refusals;
        let sent = self.api.client().publish_with_reply(what.clone(), reply, body.into()).await;
        sent.map_err(|e| rejected(e.to_string()))?;
        self.pulls.begun(batch, now);
        Ok(())
    }

    /// Waits for something to happen, until `deadline` at most.
    async fn wait(&mut self, deadline: Instant) -> Result<(), TransportError> {
        let Some(inbox) = self.inbox.as_mut() else { return Ok(()) };
        let made = inbox.made;
        let silent_at = self.pulls.silent_at();
        let wake = [Some(deadline), silent_at, self.resume_at];
        let wake = wake.into_iter().flatten().min().unwrap_or(deadline);
        // Refusals since the last pull; losses from here on, which end a wait early at worst.
        let since = LinkState { refusals: self.refusals, ..self.api.link.now() };
        let pull = api::pull(&self.stream);
        tokio::select! {
            biased;
            message = inbox.messages.next() => match message {
                Some(message) => self.accept(message),
                None => self.inbox = None,
            },
            () = self.api.link.reconnected(made) => {}
            trouble = self.api.link.trouble(since, &pull, &self.api.config.inbox_prefix) => {
                if let Trouble::Refused(subject) = trouble {
                    return Err(TransportError::Permission { subject });
                }
            }
            () = sleep_until(wake) => {
                if silent_at.is_some_and(|at| at <= Instant::now()) && self.api.link.now().connected
                {
                    tracing::warn!(queue = %self.queue, "the broker fell silent: asking afresh");
                    self.open_inbox(self.api.link.now()).await?;
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Subscription for Fetch {
    async fn fetch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        let deadline = Instant::now() + wait;
        loop {
            self.collect();
            if !self.ready.is_empty() {
                let all = self.ready.len();
                let count = if max == 0 { all } else { all.min(max) };
                return Ok(self.ready.drain(..count).collect());
            }
            if Instant::now() >= deadline {
                return Ok(Vec::new());
            }
            if timeout(deadline - Instant::now(), self.api.link.connected()).await.is_err() {
                return Err(self.api.unanswered("fetch", wait));
            }
            self.heal().await?;
            // Without room it asks for nothing, but forgets the pulls that are over.
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
        // The broker counts what it hands to nobody, and so it would look like a death: what was
        // asked for is waited for.
        let deadline = Instant::now() + EXPIRES + CLOSING;
        while self.pulls.are_open() && self.api.link.now().connected {
            let Some(inbox) = self.inbox.as_mut() else { break };
            match timeout_at(deadline, inbox.messages.next()).await {
                Ok(Some(message)) => self.accept(message),
                Ok(None) | Err(_) => break,
            }
        }
        if let Some(mut inbox) = self.inbox.take()
            && timeout(CLOSING, inbox.messages.drain()).await.is_ok_and(|sent| sent.is_ok())
        {
            self.retired.push(inbox.messages);
        }
        for mut inbox in std::mem::take(&mut self.retired) {
            // async-nats forgets it before the broker has confirmed that nothing more is coming; but
            // by now nothing is asked for.
            while let Ok(Some(message)) = timeout(CLOSING, inbox.next()).await {
                self.deliver(message);
            }
        }
        self.ready.into()
    }
}

#[async_trait]
impl Consumer for NatsTransport {
    async fn subscribe(
        &self,
        queue: &QueueName,
        lease: Duration,
    ) -> Result<Box<dyn Subscription>, TransportError> {
        Ok(Box::new(Fetch::open(Arc::clone(&self.api), queue.clone(), lease).await?))
    }
}
