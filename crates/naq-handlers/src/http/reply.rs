//! Reads the answer of a service: a stream of lines, or a plain body.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use hyper::{Response, StatusCode};
use naq_core::Failure;
use naq_worker::Context;
use serde_json::Value;

use super::status;
use crate::answers::{Ended, LineTaken, take_line};
use crate::protocol::{Classes, Lines, MAX_LINE, TooLong, mixed};

/// How much of the body of a failure is read.
const MAX_FAILURE_BODY: usize = 64 << 10;

/// Reads the answer to its end.
pub(super) async fn read<S>(
    response: Response<Incoming>,
    classes: &Classes,
    cx: &Context<S>,
    run: &str,
    now: SystemTime,
) -> Ended {
    let (head, body) = response.into_parts();
    let media_type = media_type(&head.headers);
    if media_type == "application/x-ndjson" {
        return read_lines(body, cx, run).await;
    }
    if head.status.is_success() {
        let body = read_body(body, MAX_LINE).await?.ok_or(TooLong)?;
        return value(head.status, &media_type, &body);
    }
    let body = read_body(body, MAX_FAILURE_BODY).await?.unwrap_or_default();
    let after = retry_after(&head.headers, now);
    Err(status::failure_of(head.status.as_u16(), after, &body, classes))
}

async fn read_lines<S>(mut body: Incoming, cx: &Context<S>, run: &str) -> Ended {
    let mut lines = Lines::default();
    while let Some(piece) = next_piece(&mut body).await? {
        lines.push(&piece)?;
        while let Some(line) = lines.next() {
            match take_line(cx, run, &line).await? {
                LineTaken::Ended(ended) => return ended,
                LineTaken::Mixed => return Err(mixed()),
                LineTaken::Answer | LineTaken::Text => {}
            }
        }
    }
    match take_line(cx, run, &lines.rest()).await {
        Ok(LineTaken::Ended(ended)) => ended,
        // Half a line: it is not the handler that breaks the protocol.
        _ => Err(Failure::crash("the service hung up before the end of its answer")),
    }
}

/// The whole body. None if it is longer than `max`.
async fn read_body(mut body: Incoming, max: usize) -> Result<Option<Bytes>, Failure> {
    let mut whole = BytesMut::new();
    while let Some(piece) = next_piece(&mut body).await? {
        if whole.len() + piece.len() > max {
            return Ok(None);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(Some(whole.freeze()))
}

async fn next_piece(body: &mut Incoming) -> Result<Option<Bytes>, Failure> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(err)) => return Err(hang_up(&err)),
            Some(Ok(frame)) => {
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
        }
    }
}

/// The service had the request, and its connection ended before the answer did.
pub(super) fn hang_up(err: &hyper::Error) -> Failure {
    Failure::crash(format!("the service hung up: {err}"))
}

/// The result in a plain body.
fn value(status: StatusCode, media_type: &str, body: &Bytes) -> Ended {
    if status == StatusCode::NO_CONTENT || body.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    if media_type == "application/json" || media_type.ends_with("+json") {
        let no_json = |err| Failure::new("ProtocolError", format!("the result is no JSON: {err}"));
        return serde_json::from_slice(body).map_err(no_json);
    }
    Ok(Value::String(String::from_utf8_lossy(body).into_owned()))
}

/// `application/json; charset=utf-8` is `application/json`.
fn media_type(headers: &HeaderMap) -> String {
    let header =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    status::retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
}
