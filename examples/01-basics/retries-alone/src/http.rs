//! [`get`]: an HTTP call whose errors say what kind they are. Yours would use an HTTP client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use naq_core::{ErrorKind, Failure};

/// The body of `path` at the server.
///
/// # Errors
/// `HTTPError.503` and its like for an answer that is no success, with the delay of its `Retry-After`
/// if it has one. An error of the connection keeps its own kind, such as `ConnectionError.refused`.
pub fn get(server: SocketAddr, path: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(server)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;

    let malformed = || Failure::new(ErrorKind::HTTP, "the answer is not HTTP");
    let (head, body) = response.split_once("\r\n\r\n").ok_or_else(malformed)?;
    let mut lines = head.lines();
    let status = lines.next().and_then(status_of).ok_or_else(malformed)?;
    if (200..300).contains(&status) {
        return Ok(body.to_owned());
    }
    let failure = Failure::new(ErrorKind::http(status), format!("GET {path}: status {status}"));
    Err(match lines.find_map(retry_after) {
        Some(delay) => failure.retry_after(delay),
        None => failure,
    })
}

/// The status in `HTTP/1.1 503 Service Unavailable`.
fn status_of(line: &str) -> Option<u16> {
    line.split(' ').nth(1)?.parse().ok()
}

/// The delay in `Retry-After: 1`.
fn retry_after(line: &str) -> Option<Duration> {
    let (name, value) = line.split_once(':')?;
    let seconds = value.trim().parse().ok()?;
    name.eq_ignore_ascii_case("retry-after").then(|| Duration::from_secs(seconds))
}
