//! One WebDriver command: an HTTP/1.1 request with a JSON body, on its own connection.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The time limit of one command. Even a browser on a busy machine needs less.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Sends a command to the driver on `port` and returns the `value` of its response. With a body it
/// is a POST, without one a GET.
pub(super) async fn command(port: u16, path: &str, body: Option<&Value>) -> Result<Value> {
    let response = timeout(TIME_LIMIT, exchange(port, path, body));
    let response = response
        .await
        .with_context(|| format!("no response to {path} within {TIME_LIMIT:?}"))??;
    let mut response: Value = serde_json::from_slice(&response)
        .with_context(|| format!("not JSON: {}", String::from_utf8_lossy(&response)))?;
    let value = response["value"].take();
    if let Some(error) = value["error"].as_str() {
        // The other lines of the message are a stack trace of the browser.
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
    let mut response = Vec::new();
    let read = async {
        loop {
            if let Some(body_range) = body_range(&response)? {
                return Ok(body_range);
            }
            let read = stream.read_buf(&mut response).await.context("cannot read")?;
            ensure!(read > 0, "chromedriver closed the connection");
        }
    };
    let range = read.await?;
    Ok(response[range].to_vec())
}

/// The range of the body in a complete response. `None` if the response is not complete.
fn body_range(response: &[u8]) -> Result<Option<std::ops::Range<usize>>> {
    let Some(end) = response.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&response[..end]).context("the headers are not text")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = end + 4..end + 4 + length.context("a response of chromedriver without a length")?;
    Ok((response.len() >= body.end).then_some(body))
}
