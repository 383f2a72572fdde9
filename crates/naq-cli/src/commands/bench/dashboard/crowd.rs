//! Open tabs: each reads the live stream of a page.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::super::side::{eventually, pause};

/// What a slow reader takes of a stream, every second.
const SIP: usize = 64;
/// The least that the system takes before it tells the sender to wait.
const SMALL_BUFFER: u32 = 2_048;

/// Tabs, until it is dropped.
pub(super) struct Crowd {
    /// What each tab has got so far: pieces of its stream.
    news: Vec<Arc<AtomicUsize>>,
    // Dropped with it: the tabs close.
    tabs: JoinSet<Result<()>>,
}

impl Crowd {
    /// Opens so many, spread over `pages`; every `slow`th of them hardly reads.
    pub(super) fn open(address: SocketAddr, pages: &[String], tabs: usize, slow: usize) -> Self {
        let mut crowd = Self { news: Vec::new(), tabs: JoinSet::new() };
        for (n, page) in (0..tabs).zip(pages.iter().cycle()) {
            let news = Arc::new(AtomicUsize::new(0));
            crowd.news.push(news.clone());
            crowd.tabs.spawn(tab(address, page.clone(), n % slow == slow - 1, news));
        }
        crowd
    }

    /// Waits until each has got something, and fails if one of them was sent away.
    pub(super) async fn have_news(&mut self) -> Result<()> {
        let before: Vec<usize> = self.counts();
        let news = &self.news;
        let tabs = &mut self.tabs;
        let what = || "news in every tab".to_owned();
        eventually(what, async || {
            if let Some(ended) = tabs.try_join_next() {
                ended??;
            }
            let more = |(news, before): (&Arc<AtomicUsize>, &usize)| {
                news.load(Ordering::Relaxed) > *before
            };
            Ok(news.iter().zip(&before).all(more))
        })
        .await
    }

    fn counts(&self) -> Vec<usize> {
        self.news.iter().map(|news| news.load(Ordering::Relaxed)).collect()
    }
}

async fn tab(address: SocketAddr, page: String, slow: bool, news: Arc<AtomicUsize>) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    if slow {
        socket.set_recv_buffer_size(SMALL_BUFFER)?;
    }
    let mut stream = socket.connect(address).await?;
    let ask = format!("GET /live?page={page} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await?;
    let mut buffer = vec![0; if slow { SIP } else { 16 * 1024 }];
    let mut first = true;
    loop {
        let read = stream.read(&mut buffer).await?;
        ensure!(read > 0, "the live stream of {page} ended");
        if std::mem::take(&mut first) {
            let answer = String::from_utf8_lossy(&buffer[..read]);
            ensure!(answer.starts_with("HTTP/1.1 200"), "no live stream of {page}: {answer}");
        }
        news.fetch_add(1, Ordering::Relaxed);
        if slow {
            pause(Duration::from_secs(1)).await;
        }
    }
}
