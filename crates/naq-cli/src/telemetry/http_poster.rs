//! [`HttpPoster`]: a minimal HTTP client for the exporter's thread: one POST per connection, without
//! TLS, to a collector nearby. It saves the dependency on an HTTP client library.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};

/// How long the connect, each read and each write may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The number of bytes that are read of an answer.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Posts requests. It logs the first failure after a success, and the first success after a failure.
#[derive(Debug, Default)]
pub(super) struct HttpPoster {
    fails: AtomicBool,
}

#[async_trait]
impl HttpClient for HttpPoster {
    /// Blocks the calling thread.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = send(&request);
        let failed = answer.is_err();
        if self.fails.swap(failed, Ordering::Relaxed) != failed {
            match &answer {
                Ok(_) => tracing::info!("traces are sent again"),
                Err(err) => tracing::warn!("cannot send traces to {}: {err:#}", request.uri()),
            }
        }
        Ok(answer?)
    }
}

fn send(request: &Request<Bytes>) -> Result<Response<Bytes>> {
    let uri = request.uri();
    let host = uri.host().context("a URL without a host")?;
    let address = format!("{host}:{}", uri.port_u16().unwrap_or(80));
    let resolved = address.to_socket_addrs()?.next().context("no such host")?;
    let mut stream = TcpStream::connect_timeout(&resolved, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&head(request, &address)?)?;
    stream.write_all(request.body())?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
    // The exporter does not read the body, which lists rejected spans.
    Ok(Response::builder().status(status(&answer)?).body(Bytes::new())?)
}

fn head(request: &Request<Bytes>, host: &str) -> Result<Vec<u8>> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut head = format!("{} {path} HTTP/1.1\r\n", request.method()).into_bytes();
    for (name, value) in request.headers() {
        write!(head, "{name}: ")?;
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let length = request.body().len();
    write!(head, "host: {host}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n")?;
    Ok(head)
}

/// The status of an answer: 200 in `HTTP/1.1 200 OK`.
fn status(answer: &[u8]) -> Result<u16> {
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    status.context("the answer is not HTTP")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_and_other_answers_are_refused() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok(), Some(200));
        assert_eq!(status(b"HTTP/1.0 503\r\n\r\n").ok(), Some(503));
        for bad in [&b""[..], b"HTTP/1.1", b"SSH-2.0", b"HTTP/1.1 2\xc3\xa9\r\n"] {
            assert!(status(bad).is_err(), "{bad:?}");
        }
    }
}
