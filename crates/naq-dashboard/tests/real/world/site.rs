//! A dashboard that is served.

use anyhow::Result;
use naq_core::Client;
use naq_dashboard::{Dashboard, Options};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Served until it is dropped.
pub(crate) struct Site {
    /// Without a slash at its end.
    pub(crate) url: String,
    server: JoinHandle<()>,
}

impl Site {
    pub(crate) async fn serve(client: Client, options: Options) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}{}", listener.local_addr()?, options.prefix);
        let router = Dashboard::new(client, options)?.router();
        let server = tokio::spawn(async move {
            let served = axum::serve(listener, router).await;
            served.expect("a listener that takes connections");
        });
        Ok(Self { url, server })
    }

    /// The address of a page: `/queues/mail`.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}
