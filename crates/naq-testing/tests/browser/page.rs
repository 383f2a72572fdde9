//! A page served from memory.

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Serves the same page under every path until it is dropped.
pub(crate) struct Page {
    pub(crate) url: String,
    server: JoinHandle<()>,
}

impl Page {
    pub(crate) async fn serve(html: &'static str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = stream.read(&mut request).await;
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\
                         Content-Security-Policy: style-src 'nonce-here'\r\n\
                         Content-Length: {}\r\n\r\n{html}",
                        html.len()
                    );
                    let _ = stream.write_all(head.as_bytes()).await;
                });
            }
        });
        Ok(Self { url, server })
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.server.abort();
    }
}
