//! [`DashboardServer`]: a dashboard on a port of this machine.

use anyhow::{Result, ensure};
use naq_client::Client;
use naq_dashboard::{Dashboard, Options};
use naq_testing::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::TIMEOUT;

/// Serves until it is dropped.
pub(crate) struct DashboardServer {
    /// The URL of the dashboard, without a slash at its end.
    pub(crate) url: String,
    server: JoinHandle<()>,
}

impl DashboardServer {
    pub(crate) async fn serve(client: Client, options: Options) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}{}", listener.local_addr()?, options.prefix);
        let router = Dashboard::new(client, options)?.router();
        let server = tokio::spawn(async move {
            let served = axum::serve(listener, router).await;
            served.expect("a listener that accepts connections");
        });
        Ok(Self { url, server })
    }

    /// Waits until the dashboard has read the broker.
    pub(crate) async fn has_read(&self) {
        eventually("a dashboard that has read the broker", TIMEOUT, async || {
            let page = self.load("/").await?;
            ensure!(!page.contains("No broker yet"), "{page}");
            Ok(())
        })
        .await;
    }

    /// The response for the page at `path`.
    pub(crate) async fn load(&self, path: &str) -> Result<String> {
        let (address, prefix) = self.address();
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET {prefix}{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{path} answers {answer}");
        Ok(answer)
    }

    /// Host and port, and the prefix.
    fn address(&self) -> (&str, &str) {
        let rest = self.url.trim_start_matches("http://");
        rest.split_at(rest.find('/').unwrap_or(rest.len()))
    }

    /// The URL of a page such as `/queues/mail`.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

impl Drop for DashboardServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}
