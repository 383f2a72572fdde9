//! Statistics: one message per process and minute. A newer one replaces the older.

use async_nats::HeaderMap;
use async_trait::async_trait;
use naq_core::stats::StatsReport;
use naq_core::transport::{StatsPage, StatsStore, TransportError};

use crate::error::ApiError;
use crate::transport::NatsTransport;

#[async_trait]
impl StatsStore for NatsTransport {
    async fn stats_put(&self, report: &StatsReport) -> Result<(), TransportError> {
        let api = &*self.api;
        let what = "write statistics".to_owned();
        let body = serde_json::to_vec(report)
            .map_err(|e| TransportError::Rejected { what, reason: e.to_string() })?;
        let body = bytes::Bytes::from(body);
        let subject = api.subjects.stats(report);
        let mut retry = api.request_retry("write to", &subject);
        loop {
            match api.store(&subject, HeaderMap::new(), body.clone()).await {
                Ok(_) => return Ok(()),
                Err(ApiError::NoResponders) => {
                    api.ensure_stream_or_wait(&mut retry, &api.configs().stats_config()).await?
                }
                Err(error) => retry.wait_to_retry(error).await?,
            }
        }
    }

    /// Reads from one message before `from`: the last message that the caller has read. If no
    /// message arrives at all, the stream is empty or was created again, and its sequences start at
    /// 1.
    async fn stats_since(&self, from: u64, limit: usize) -> Result<StatsPage, TransportError> {
        let api = &*self.api;
        let stream = api.subjects.stats_stream();
        let subject = api.subjects.all_stats();
        let asked = from.saturating_sub(1);
        let batch = api.next_of(&stream, &subject, asked, limit.saturating_add(1)).await?;
        let (old, new): (Vec<_>, Vec<_>) = batch.messages.into_iter().partition(|it| it.seq < from);
        let mut page = StatsPage {
            next: if old.is_empty() && new.is_empty() { 0 } else { from },
            more: batch.left > 0 || new.len() > limit,
            ..StatsPage::default()
        };
        for message in new.into_iter().take(limit) {
            page.next = message.seq + 1;
            match serde_json::from_slice(&message.body) {
                Ok(report) => page.reports.push(report),
                Err(_) => page.unreadable += 1,
            }
        }
        Ok(page)
    }
}
