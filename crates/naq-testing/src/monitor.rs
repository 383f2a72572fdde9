//! What a nats-server says of itself on its monitoring port.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A server that runs replies within this time. One that is paused does not.
const REPLY_TIME: Duration = Duration::from_secs(1);

/// Whether the server has a leader for JetStream, and has all messages of its streams and consumers. The
/// error says what is missing.
pub(crate) async fn health(port: u16) -> Result<(), String> {
    match get(port, "/healthz").await {
        Ok(text) if text.starts_with("HTTP/1.0 200") => Ok(()),
        Ok(text) => Err(body(&text).trim().to_owned()),
        Err(error) => Err(format!("{error:#}")),
    }
}

/// The streams of the server, with their consumers and their leaders.
pub(crate) async fn streams(port: u16) -> Result<Vec<Value>> {
    let text = get(port, "/jsz?consumers=true").await?;
    let mut report: Value = serde_json::from_str(body(&text)).context("not a JSON report")?;
    let mut streams = Vec::new();
    for account in report["account_details"].as_array_mut().into_iter().flatten() {
        if let Value::Array(details) = account["stream_detail"].take() {
            streams.extend(details);
        }
    }
    Ok(streams)
}

fn body(reply: &str) -> &str {
    reply.split_once("\r\n\r\n").map_or(reply, |(_, body)| body)
}

async fn get(port: u16, path: &str) -> Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await?;
        std::io::Result::Ok(reply)
    };
    let reply = timeout(REPLY_TIME, exchange).await.context("no reply of the monitoring port")?;
    reply.context("cannot read the monitoring port")
}
