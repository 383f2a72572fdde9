//! [`Service`]: an HTTP service that runs tasks.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::Method;
use hyper::header::HeaderName;
use naq_core::{Clock, Failure, SystemClock};
use naq_worker::Context;

use super::call::{SIGNATURE, build};
use super::connection::{Tls, connect};
use super::reply::{hang_up, read};
use super::{Keys, Target};
use crate::answers::Ended;
use crate::protocol::{Classes, Request};

/// How long a job waits whose service does not listen.
const REFUSED_DELAY: Duration = Duration::from_secs(5);
/// How long a service may take to list its tasks.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest list of tasks.
const MAX_LIST: usize = 1 << 20;

/// An HTTP service that runs tasks.
#[derive(Debug)]
pub(crate) struct Service {
    target: Target,
    keys: Option<Keys>,
    tls: Tls,
    clock: Arc<dyn Clock>,
}

impl Service {
    pub(crate) fn new(target: Target, keys: Option<Keys>, tls: Tls) -> Self {
        Self { target, keys, tls, clock: Arc::new(SystemClock) }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Runs one attempt.
    pub(crate) async fn run<S>(
        &self,
        classes: &Classes,
        cx: &Context<S>,
        request: &Request<'_>,
    ) -> Ended {
        let path = self.target.path_of(request.task);
        let body = Bytes::from(request.to_line()?);
        let mut headers = vec![
            (HeaderName::from_static("naq-job-id"), request.id.to_string()),
            (HeaderName::from_static("naq-attempt"), request.attempt.to_string()),
            (HeaderName::from_static("idempotency-key"), request.idempotency_key.to_owned()),
        ];
        let trace = request.traceparent.map(str::to_owned);
        headers.extend(trace.map(|it| (HeaderName::from_static("traceparent"), it)));
        self.sign(&path, &body, &mut headers);
        let attempt = async {
            let connected = connect(&self.target, &self.tls).await;
            let mut connection = connected.map_err(|err| self.refused(&err))?;
            let post = build(&self.target, Method::POST, &path, &headers, body);
            let sent = connection.requests.send_request(post).await;
            let response = sent.map_err(|err| hang_up(&err))?;
            read(response, classes, cx, &request.run, self.clock.now().into()).await
        };
        tokio::select! {
            biased;
            ended = attempt => ended,
            // The connection closes, which tells the service to stop.
            () = cx.cancelled() => Err(Failure::cancel("the worker stopped the attempt")),
        }
    }

    /// The body with the service's list of its tasks.
    ///
    /// # Errors
    /// The service cannot be reached, or does not answer with a list.
    pub(crate) async fn list(&self) -> io::Result<Bytes> {
        let path = self.target.path_of_list();
        let mut headers = Vec::new();
        self.sign(&path, b"", &mut headers);
        let list = async {
            let mut connection = connect(&self.target, &self.tls).await?;
            let request = build(&self.target, Method::GET, &path, &headers, Bytes::new());
            let response = connection.requests.send_request(request).await;
            let response = response.map_err(io::Error::other)?;
            if !response.status().is_success() {
                let status = response.status();
                return Err(io::Error::other(format!("GET {path} answers with status {status}")));
            }
            let body = Limited::new(response.into_body(), MAX_LIST).collect().await;
            Ok(body.map_err(io::Error::other)?.to_bytes())
        };
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "it did not answer in 10 s");
        tokio::time::timeout(LIST_TIMEOUT, list).await.map_err(late)?
    }

    fn sign(&self, path: &str, body: &[u8], headers: &mut Vec<(HeaderName, String)>) {
        if let Some(keys) = &self.keys {
            headers.push((SIGNATURE, keys.sign(self.clock.now(), path, body)));
        }
    }

    /// A service that does not listen is being deployed, most times: the job waits, and no attempt is
    /// counted.
    fn refused(&self, err: &io::Error) -> Failure {
        tracing::warn!("the handler at {} cannot be reached: {err}; the job waits", self.target);
        Failure::snooze(REFUSED_DELAY)
    }
}
