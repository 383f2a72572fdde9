//! [`Api`]: sends one request and waits a bounded time for its reply. It stops waiting as soon as
//! the connection is lost or the broker refuses the request, so a time-out is rare.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{
    HeaderMap, Message, PublishError, PublishErrorKind, Request, RequestErrorKind, Subject,
    SubscribeErrorKind, Subscriber,
};
use bytes::Bytes;
use naq_core::SystemClock;
use naq_core::clock::{Clock, Timer};
use naq_core::transport::TransportError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use crate::clock_offset::ClockOffset;
use crate::config::NatsConfig;
use crate::connect::random_up_to;
use crate::connection_monitor::{ConnectionMonitor, NoAnswer};
use crate::early::{LimitedQueues, UnansweredWaits};
use crate::error::{self, ApiError, ApiRefusal};
use crate::evictions::EvictionLog;
use crate::fences::Fences;
use crate::open_client::{CurrentClient, OpenClient};
use crate::protection;
use crate::replica_lag::ReplicaLag;
use crate::room::Rooms;
use crate::single_reads::SingleReads;
use crate::state_schema::StateSchema;
use crate::subjects::Subjects;
use crate::under_way::UnderWay;
use crate::unreadable::UnreadableMessages;
use crate::uptime::UptimeConsumers;

/// The longest pause before a request is repeated.
const MAX_PAUSE: Duration = Duration::from_millis(250);

/// The connection to the broker, with its settings and its subjects.
#[derive(Debug)]
pub(crate) struct Api {
    client: CurrentClient,
    pub(crate) connection: Arc<ConnectionMonitor>,
    pub(crate) config: NatsConfig,
    pub(crate) subjects: Subjects,
    /// The difference between the broker's clock and the clock of this process.
    pub(crate) offset: ClockOffset,
    /// Queues whose waits are moved no earlier than they are due.
    pub(crate) limited_queues: LimitedQueues,
    /// Waits that the broker's timer may have, although it has not answered.
    pub(crate) unanswered_waits: UnansweredWaits,
    /// What the broker may have under way to this process.
    pub(crate) under_way: UnderWay,
    /// How much room the queues have, as far as this process knows.
    pub(crate) rooms: Rooms,
    /// The limits by which streams remove jobs, as far as this process has logged them.
    pub(crate) evictions: EvictionLog,
    /// Shows which messages are older than the broker's last start.
    pub(crate) uptime_consumers: UptimeConsumers,
    /// Whether replicas lag, as far as this process has asked.
    pub(crate) fences: Fences,
    pub(crate) replica_lag: ReplicaLag,
    /// The stored messages that async-nats cannot parse, as far as this process knows.
    pub(crate) unreadable: UnreadableMessages,
    /// The streams of which the broker has refused this user a read in JSON.
    pub(crate) json_denied: Mutex<HashSet<String>>,
    /// The streams of which this user may read single subjects only.
    pub(crate) single_reads: SingleReads,
    /// Whether this process may write to the state store.
    pub(crate) state_schema: StateSchema,
}

/// The broker's reply to a publish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PubAck {
    pub(crate) seq: u64,
    pub(crate) duplicate: bool,
}

/// The retries of one operation against the broker.
#[derive(Debug)]
pub(crate) struct RequestRetry<'a> {
    api: &'a Api,
    what: &'static str,
    subject: &'a str,
    until: Instant,
    /// How many requests failed so far.
    failed: u32,
    /// How many of them the broker may have carried out all the same.
    pub(crate) unclear: u32,
}

impl Api {
    pub(crate) async fn connect(config: NatsConfig) -> Result<Self, TransportError> {
        let subjects = Subjects::new(&config.prefix)?;
        let connection = Arc::new(ConnectionMonitor::default());
        let client = CurrentClient::connect(&config, &connection).await?;
        connection.connected().await;
        protection::warn_of_plain_secret(&config, client.get().server_info().tls_required);
        Ok(Self {
            client,
            connection,
            config,
            subjects,
            offset: ClockOffset::default(),
            limited_queues: LimitedQueues::default(),
            unanswered_waits: UnansweredWaits::default(),
            under_way: UnderWay::default(),
            rooms: Rooms::default(),
            evictions: EvictionLog::default(),
            uptime_consumers: UptimeConsumers::default(),
            fences: Fences::default(),
            replica_lag: ReplicaLag::default(),
            unreadable: UnreadableMessages::default(),
            json_denied: Mutex::default(),
            single_reads: SingleReads::default(),
            state_schema: StateSchema::default(),
        })
    }

    /// The client that is in use now. A request must not keep it longer than it waits for its reply.
    pub(crate) fn client(&self) -> Arc<OpenClient> {
        self.client.get()
    }

    /// The error for a request whose client has ended.
    pub(crate) fn ended_error(&self) -> TransportError {
        let reason = "the NATS client has ended and is replaced by a new one".into();
        TransportError::Unreachable { url: self.url(), reason }
    }

    /// The broker's URLs, without credentials.
    pub(crate) fn url(&self) -> String {
        self.config.redacted_url()
    }

    /// The error for a request without a reply within `after`: no connection, or a time-out.
    pub(crate) fn unanswered_error(&self, what: &str, after: Duration) -> TransportError {
        if self.connection.state().connected {
            return TransportError::Timeout { what: what.to_owned(), after };
        }
        let reason = "the connection was lost and is not open again yet".into();
        TransportError::Unreachable { url: self.url(), reason }
    }

    /// The error of a publish, or of the request that it begins.
    pub(crate) fn publish_error(&self, subject: &str, error: &PublishError) -> TransportError {
        if error.kind() == PublishErrorKind::Send {
            return self.ended_error();
        }
        TransportError::Rejected { what: subject.to_owned(), reason: error::error_chain(error) }
    }

    /// Subscribes to a subject on the client that is in use now.
    pub(crate) async fn subscribe(&self, subject: &str) -> Result<Subscriber, TransportError> {
        self.subscribe_on(&self.client(), subject).await
    }

    pub(crate) async fn subscribe_on(
        &self,
        client: &OpenClient,
        subject: &str,
    ) -> Result<Subscriber, TransportError> {
        client.subscribe(subject.to_owned()).await.map_err(|e| match e.kind() {
            SubscribeErrorKind::Other => self.ended_error(),
            _ => TransportError::Rejected {
                what: format!("subscribe to {subject}"),
                reason: e.to_string(),
            },
        })
    }

    /// Sends one request and waits for its reply. Waits for the connection first, if there is none.
    /// Sends the request once.
    pub(crate) async fn request(
        &self,
        subject: &str,
        headers: Option<HeaderMap>,
        body: Bytes,
    ) -> Result<Message, ApiError> {
        let time_limit = self.config.answer_timeout;
        let size = body.len();
        let exchange = async {
            // Usually there is a connection, and this check is cheaper than the wait.
            if !self.connection.state().connected {
                self.connection.connected().await;
            }
            let before = self.connection.state();
            let client = self.client();
            let inbox = &self.config.inbox_prefix;
            let mut request = Request::new().payload(body).timeout(None);
            if let Some(headers) = headers {
                request = request.headers(headers);
            }
            tokio::select! {
                biased;
                answer = client.send_request(subject.to_owned(), request) => {
                    answer.map_err(|e| match e.kind() {
                        RequestErrorKind::Other => self.ended_error().into(),
                        _ => error::request(&e, subject, size, client.max_payload()),
                    })
                }
                no_answer = self.connection.wait_for_no_answer(before, subject, inbox) => {
                    Err(match no_answer {
                        NoAnswer::Refused(subject) => TransportError::Permission { subject }.into(),
                        NoAnswer::Lost => self.unanswered_error(subject, time_limit).into(),
                    })
                }
            }
        };
        match timeout(time_limit, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(self.unanswered_error(subject, time_limit).into()),
        }
    }

    /// Calls the JetStream API once.
    pub(crate) async fn call<T, R>(&self, subject: &str, request: &T) -> Result<R, ApiError>
    where
        T: Serialize + Sync + ?Sized,
        R: DeserializeOwned,
    {
        let mut body = serde_json::to_vec(request).map_err(|e| unreadable(subject, &e))?;
        if body == b"null" {
            // Calls without arguments need an empty body.
            body.clear();
        }
        let answer = self.request(subject, None, body.into()).await?;
        read_reply(subject, &answer.payload)
    }

    /// Like [`call`](Self::call), but repeats the request after transient errors.
    pub(crate) async fn call_with_retry<T, R>(
        &self,
        subject: &str,
        request: &T,
    ) -> Result<R, ApiError>
    where
        T: Serialize + Sync + ?Sized,
        R: DeserializeOwned,
    {
        let mut retry = self.request_retry("call", subject);
        loop {
            match self.call(subject, request).await {
                Err(error) if error.is_transient() => retry.wait_to_retry(error).await?,
                answer => return answer,
            }
        }
    }

    /// Stores one message. Sends the request once.
    pub(crate) async fn store(
        &self,
        subject: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<PubAck, ApiError> {
        #[derive(serde::Deserialize)]
        struct PublishReply {
            error: Option<ApiRefusal>,
            #[serde(default)]
            seq: u64,
            #[serde(default)]
            duplicate: bool,
        }
        let answer = self.request(subject, Some(headers), body).await?;
        let answer: PublishReply =
            serde_json::from_slice(&answer.payload).map_err(|e| unreadable(subject, &e))?;
        match answer.error {
            Some(refusal) => Err(ApiError::Refused(refusal)),
            None => Ok(PubAck { seq: answer.seq, duplicate: answer.duplicate }),
        }
    }

    /// Sends a message that has no reply, such as an ack.
    pub(crate) async fn send(&self, subject: Subject, body: Bytes) -> Result<(), TransportError> {
        let time_limit = self.config.answer_timeout;
        let client = self.client();
        match timeout(time_limit, client.publish(subject.clone(), body)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(self.publish_error(&subject, &e)),
            Err(_) => Err(self.unanswered_error(&subject, time_limit)),
        }
    }

    /// Starts an operation that is repeated until it succeeds, fails with a permanent error, or
    /// takes too long.
    pub(crate) fn request_retry<'a>(
        &'a self,
        what: &'static str,
        subject: &'a str,
    ) -> RequestRetry<'a> {
        let until = Instant::now() + self.config.request_timeout;
        RequestRetry { api: self, what, subject, until, failed: 0, unclear: 0 }
    }
}

impl RequestRetry<'_> {
    /// Waits for a short time if another request may succeed. Returns the error if not.
    pub(crate) async fn wait_to_retry(&mut self, error: ApiError) -> Result<(), TransportError> {
        self.failed += 1;
        self.unclear += u32::from(error.is_unclear());
        let pause = random_up_to((Duration::from_millis(20) * self.failed).min(MAX_PAUSE));
        if !error.is_transient() || Instant::now() + pause >= self.until {
            let what = format!("{} {}", self.what, self.subject);
            return Err(error.into_transport(&what, self.api.url()));
        }
        let Self { what, subject, .. } = self;
        tracing::debug!(what, subject, ?error, "repeating the request to the broker");
        SystemClock.sleep_until(SystemClock.now() + pause).await;
        Ok(())
    }
}

fn read_reply<R: DeserializeOwned>(subject: &str, body: &[u8]) -> Result<R, ApiError> {
    #[derive(serde::Deserialize)]
    struct ErrorReply {
        error: ApiRefusal,
    }
    if let Ok(ErrorReply { error }) = serde_json::from_slice(body) {
        return Err(ApiError::Refused(error));
    }
    serde_json::from_slice(body).map_err(|e| unreadable(subject, &e))
}

fn unreadable(subject: &str, error: &serde_json::Error) -> ApiError {
    let reason = format!("the reply cannot be read: {error}");
    TransportError::Rejected { what: subject.to_owned(), reason }.into()
}
