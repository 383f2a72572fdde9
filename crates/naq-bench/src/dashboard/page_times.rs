//! How long each page takes, one request after the other.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stats::now;

/// Pages that the navigation does not link to.
const MORE: [&str; 4] =
    ["/queues/busy", "/jobs?queue=queue-1", "/jobs?queue=busy&state=dead", "/dead?queue=busy"];

/// All pages that the navigation of the first page links to, and [`MORE`].
pub(crate) async fn pages(address: SocketAddr) -> Result<Vec<String>> {
    let first = page(address, "/").await?;
    let nav = first.split_once("<nav").and_then(|(_, rest)| rest.split_once("</nav>"));
    let (nav, _) = nav.context("a page without navigation")?;
    let links = nav.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let pages: Vec<String> = links.chain(MORE).map(str::to_owned).collect();
    Ok(pages)
}

/// Requests all pages in turn, `visits` times. Returns each page's times in milliseconds.
pub(crate) async fn all(
    address: SocketAddr,
    pages: &[String],
    visits: usize,
) -> Result<Vec<(String, Vec<f64>)>> {
    let mut times: Vec<_> = pages.iter().map(|page| (page.clone(), Vec::new())).collect();
    for _ in 0..visits {
        for (path, times) in &mut times {
            let start = now();
            page(address, path).await?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(times)
}

/// Requests the page at `path` and reads all of it.
async fn page(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.lines().next().unwrap_or_default();
    ensure!(status == "HTTP/1.1 200 OK", "{path} answers {status}");
    Ok(answer)
}
