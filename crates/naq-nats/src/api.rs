//! One request, and its answer in bounded time: [`Api`]. Knows when the connection fell or the
//! broker refused, and so seldom has to wait for a time-out.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::{Context, ContextBuilder};
use async_nats::{Client, HeaderMap, Message, Request, Subject};
use bytes::Bytes;
use naq_core::SystemClock;
use naq_core::clock::{Clock, Timer};
use naq_core::transport::TransportError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use crate::config::NatsConfig;
use crate::connect::{self, spread};
use crate::error::{self, ApiError, Refusal};
use crate::link::{Link, Trouble};
use crate::offset::Offset;
use crate::subjects::Subjects;

/// The longest pause before a request is repeated.
const MAX_PAUSE: Duration = Duration::from_millis(250);

/// The connection, and what everything that uses it needs.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    jetstream: Context,
    pub(crate) link: Arc<Link>,
    pub(crate) config: NatsConfig,
    pub(crate) subjects: Subjects,
    /// How far the broker's clock is from ours.
    pub(crate) offset: Offset,
}

/// What the broker says to a publish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PubAck {
    pub(crate) seq: u64,
    pub(crate) duplicate: bool,
}

/// The tries of one operation.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    api: &'a Api,
    what: &'static str,
    subject: &'a str,
    until: Instant,
    /// How many failed so far.
    pub(crate) failed: u32,
}

impl Api {
    pub(crate) async fn connect(config: NatsConfig) -> Result<Self, TransportError> {
        let subjects = Subjects::new(&config.prefix)?;
        let link = Arc::new(Link::default());
        let client = connect::connect(&config, &link).await?;
        link.connected().await;
        let jetstream = ContextBuilder::new().timeout(config.answer_timeout).build(client.clone());
        Ok(Self { client, jetstream, link, config, subjects, offset: Offset::default() })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn jetstream(&self) -> &Context {
        &self.jetstream
    }

    /// Where the broker is, without credentials.
    pub(crate) fn url(&self) -> String {
        self.config.redacted_url()
    }

    /// The connection is not there, and was not for as long as `after`.
    pub(crate) fn unanswered(&self, what: &str, after: Duration) -> TransportError {
        if self.link.now().connected {
            return TransportError::Timeout { what: what.to_owned(), after };
        }
        let reason = "the connection was lost, and has not come back yet".into();
        TransportError::Unreachable { url: self.url(), reason }
    }

    /// Sends one request and waits for its answer, the connection included. Asks once.
    pub(crate) async fn request(
        &self,
        subject: &str,
        headers: Option<HeaderMap>,
        body: Bytes,
    ) -> Result<Message, ApiError> {
        let patience = self.config.answer_timeout;
        let size = body.len();
        let asking = async {
            // Most often it is, and then there is nothing to wait for.
            if !self.link.now().connected {
                self.link.connected().await;
            }
            let before = self.link.now();
            let mut request = Request::new().payload(body).timeout(None);
            if let Some(headers) = headers {
                request = request.headers(headers);
            }
            tokio::select! {
                biased;
                answer = self.client.send_request(subject.to_owned(), request) => {
                    answer.map_err(|e| error::request(&e, subject, size, self.client.max_payload()))
                }
                trouble = self.link.trouble(before, subject, &self.config.inbox_prefix) => {
                    Err(match trouble {
                        Trouble::Refused(subject) => TransportError::Permission { subject }.into(),
                        Trouble::Lost => self.unanswered(subject, patience).into(),
                    })
                }
            }
        };
        match timeout(patience, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(self.unanswered(subject, patience).into()),
        }
    }

    /// Calls the JetStream API once.
    pub(crate) async fn call<T, R>(&self, subject: &str, ask: &T) -> Result<R, ApiError>
    where
        T: Serialize + Sync + ?Sized,
        R: DeserializeOwned,
    {
        let mut body = serde_json::to_vec(ask).map_err(|e| unreadable(subject, &e))?;
        if body == b"null" {
            // Some calls take nothing, and mean it.
            body.clear();
        }
        let answer = self.request(subject, None, body.into()).await?;
        read_answer(subject, &answer.payload)
    }

    /// As [`call`](Self::call), repeated while that may help.
    pub(crate) async fn call_again<T, R>(&self, subject: &str, ask: &T) -> Result<R, ApiError>
    where
        T: Serialize + Sync + ?Sized,
        R: DeserializeOwned,
    {
        let mut tries = self.tries("ask", subject);
        loop {
            match self.call(subject, ask).await {
                Err(error) if error.is_transient() => tries.again(error).await?,
                answer => return answer,
            }
        }
    }

    /// Stores one message. Asks once.
    pub(crate) async fn store(
        &self,
        subject: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<PubAck, ApiError> {
        #[derive(serde::Deserialize)]
        struct Answer {
            error: Option<Refusal>,
            #[serde(default)]
            seq: u64,
            #[serde(default)]
            duplicate: bool,
        }
        let answer = self.request(subject, Some(headers), body).await?;
        let answer: Answer =
            serde_json::from_slice(&answer.payload).map_err(|e| unreadable(subject, &e))?;
        match answer.error {
            Some(refusal) => Err(ApiError::Refused(refusal)),
            None => Ok(PubAck { seq: answer.seq, duplicate: answer.duplicate }),
        }
    }

    /// Sends a message that nobody answers, such as an ack.
    pub(crate) async fn send(&self, subject: Subject, body: Bytes) -> Result<(), TransportError> {
        let patience = self.config.answer_timeout;
        match timeout(patience, self.client.publish(subject.clone(), body)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => {
                let what = subject.to_string();
                Err(TransportError::Rejected { what, reason: error::chain(&e) })
            }
            Err(_) => Err(self.unanswered(&subject, patience)),
        }
    }

    /// Begins an operation that is tried until it works, fails for good, or takes too long.
    pub(crate) fn tries<'a>(&'a self, what: &'static str, subject: &'a str) -> Tries<'a> {
        let until = Instant::now() + self.config.request_timeout;
        Tries { api: self, what, subject, until, failed: 0 }
    }
}

impl Tries<'_> {
    /// Returns after a short pause when another try may help, or else the error.
    pub(crate) async fn again(&mut self, error: ApiError) -> Result<(), TransportError> {
        self.failed += 1;
        let pause = spread((Duration::from_millis(20) * self.failed).min(MAX_PAUSE));
        if !error.is_transient() || Instant::now() + pause >= self.until {
            let what = format!("{} {}", self.what, self.subject);
            return Err(error.into_transport(&what, self.api.url()));
        }
        let Self { what, subject, .. } = self;
        tracing::debug!(what, subject, ?error, "asking the broker again");
        SystemClock.sleep_until(SystemClock.now() + pause).await;
        Ok(())
    }
}

fn read_answer<R: DeserializeOwned>(subject: &str, body: &[u8]) -> Result<R, ApiError> {
    #[derive(serde::Deserialize)]
    struct Failed {
        error: Refusal,
    }
    if let Ok(Failed { error }) = serde_json::from_slice(body) {
        return Err(ApiError::Refused(error));
    }
    serde_json::from_slice(body).map_err(|e| unreadable(subject, &e))
}

fn unreadable(subject: &str, error: &serde_json::Error) -> ApiError {
    let reason = format!("the answer cannot be read: {error}");
    TransportError::Rejected { what: subject.to_owned(), reason }.into()
}
