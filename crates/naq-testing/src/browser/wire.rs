//! One WebDriver command: a request of HTTP/1.1 with a body of JSON, on a connection of its own.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A browser on a busy machine may think for a while; one that takes longer than this is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a command to the driver on `port` and returns the `value` of its answer. With a body it is a
/// POST, without a GET.
pub(super) async fn command(port: u16, path: &str, body: Option<&Value>) -> Result<Value> {
    let answer = timeout(PATIENCE, exchange(port, path, body));
    let answer = answer.await.with_context(|| format!("no answer to {path} in {PATIENCE:?}"))??;
    let mut answer: Value = serde_json::from_slice(&answer)
        .with_context(|| format!("not JSON: {}", String::from_utf8_lossy(&answer)))?;
    let value = answer["value"].take();
    if let Some(error) = value["error"].as_str() {
        // The rest of the message is a stack trace of the browser's own.
        let message = value["message"].as_str().unwrap_or_default();
        bail!("{error}: {}", message.lines().next().unwrap_or_default());
    }
    Ok(value)
}

async fn exchange(port: u16, path: &str, body: Option<&Value>) -> Result<Vec<u8>> {
    let (method, body) = body.map_or(("GET", String::new()), |body| ("POST", body.to_string()));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream =
        TcpStream::connect(("127.0.0.1", port)).await.context("cannot reach chromedriver")?;
    stream.write_all(head.as_bytes()).await.context("cannot write to chromedriver")?;
    stream.write_all(body.as_bytes()).await.context("cannot write to chromedriver")?;
    let mut answer = Vec::new();
    let read = async {
        loop {
            if let Some(content) = content(&answer)? {
                return Ok(content);
            }
            let read = stream.read_buf(&mut answer).await.context("cannot read")?;
            ensure!(read > 0, "chromedriver hung up");
        }
    };
    let range = read.await?;
    Ok(answer[range].to_vec())
}

/// Where the body of a whole answer is, or `None` while some of it is still to come.
fn content(answer: &[u8]) -> Result<Option<std::ops::Range<usize>>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..end]).context("a head that is no text")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = end + 4..end + 4 + length.context("an answer of chromedriver without a length")?;
    Ok((answer.len() >= whole.end).then_some(whole))
}
