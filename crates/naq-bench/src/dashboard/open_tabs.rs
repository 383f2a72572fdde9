//! [`OpenTabs`]: open tabs, each of which reads the live stream of a page.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::contestant::{eventually, pause};

/// The bytes that a slow tab reads every second.
const SLOW_READ: usize = 64;
/// The smallest receive buffer that the system allows: a full buffer makes the sender wait.
const SMALL_BUFFER: u32 = 2_048;

/// Open tabs. A drop closes them.
pub(crate) struct OpenTabs {
    /// How many pieces of its stream each tab has received.
    updates: Vec<Arc<AtomicUsize>>,
    /// A drop of the set closes the tabs.
    tabs: JoinSet<Result<()>>,
}

impl OpenTabs {
    /// Opens `tabs` tabs, spread over `pages`. One in every `slow` reads very slowly.
    pub(crate) fn open(address: SocketAddr, pages: &[String], tabs: usize, slow: usize) -> Self {
        let mut open = Self { updates: Vec::new(), tabs: JoinSet::new() };
        for (n, page) in (0..tabs).zip(pages.iter().cycle()) {
            let updates = Arc::new(AtomicUsize::new(0));
            open.updates.push(updates.clone());
            open.tabs.spawn(tab(address, page.clone(), n % slow == slow - 1, updates));
        }
        open
    }

    /// Waits until each tab has received an update from now on. Fails if a tab was refused or cut off.
    pub(crate) async fn wait_for_updates(&mut self) -> Result<()> {
        let before: Vec<usize> = self.counts();
        let updates = &self.updates;
        let tabs = &mut self.tabs;
        let what = || "an update in every tab".to_owned();
        eventually(what, async || {
            if let Some(ended) = tabs.try_join_next() {
                ended??;
            }
            let more = |(updates, before): (&Arc<AtomicUsize>, &usize)| {
                updates.load(Ordering::Relaxed) > *before
            };
            Ok(updates.iter().zip(&before).all(more))
        })
        .await
    }

    fn counts(&self) -> Vec<usize> {
        self.updates.iter().map(|updates| updates.load(Ordering::Relaxed)).collect()
    }
}

async fn tab(
    address: SocketAddr,
    page: String,
    slow: bool,
    updates: Arc<AtomicUsize>,
) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    if slow {
        socket.set_recv_buffer_size(SMALL_BUFFER)?;
    }
    let mut stream = socket.connect(address).await?;
    let ask = format!("GET /live?page={page} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await?;
    let mut buffer = vec![0; if slow { SLOW_READ } else { 16 * 1024 }];
    let mut first = true;
    loop {
        let read = stream.read(&mut buffer).await?;
        ensure!(read > 0, "the live stream of {page} ended");
        if std::mem::take(&mut first) {
            let answer = String::from_utf8_lossy(&buffer[..read]);
            ensure!(answer.starts_with("HTTP/1.1 200"), "no live stream of {page}: {answer}");
        }
        updates.fetch_add(1, Ordering::Relaxed);
        if slow {
            pause(Duration::from_secs(1)).await;
        }
    }
}
