//! Lists of jobs, in pages, with few requests. A stream can only be read forwards. For a list with
//! the newest first, this module reads windows of sequences from the end of the stream backwards.
//! The windows grow where messages are few.

use std::ops::RangeInclusive;

use naq_core::transport::{
    JobsCursor, JobsPage, JobsQuery, Looked, Order, Place, Scan, TransportError,
};
use naq_core::{JobState, QueueName};

use crate::api::Api;
use crate::direct::DirectGetBatch;

/// How many requests one page may use. Messages that they do not reach are left for the next page.
const REQUESTS: usize = 24;
/// The factor by which the next window is wider after a window without messages. A window with too
/// many messages is read again with a width divided by this.
const GROWTH_AFTER_EMPTY: u64 = 16;
/// The factor by which the next window is wider after a window with few messages.
const GROWTH_AFTER_FEW: u64 = 4;
/// How many messages one request reads at most.
const BATCH: u64 = 1_000;

/// The part of one stream that a list reads.
struct StreamRange<'a> {
    stream: String,
    subject: String,
    queue: Option<&'a QueueName>,
}

/// A page while it is being read, and how many requests it may still use.
struct PageSearch<'a> {
    api: &'a Api,
    query: &'a JobsQuery,
    scan: Scan<'a>,
    requests: usize,
}

impl Api {
    pub(crate) async fn jobs(&self, query: &JobsQuery) -> Result<JobsPage, TransportError> {
        let mut search =
            PageSearch { api: self, query, scan: Scan::new(query), requests: REQUESTS };
        let place = query.place;
        let subject = match &query.queue {
            Some(queue) => self.subjects.of_queue(place, queue),
            None => self.subjects.of_all(place),
        };
        let next = match place {
            Place::Dead | Place::Record => {
                let stream = match place {
                    Place::Dead => self.subjects.dead_stream(),
                    _ => self.subjects.records_stream(),
                };
                search.read(&StreamRange { stream, subject, queue: None }).await?
            }
            Place::Queue | Place::Schedule => search.read_queues().await?,
        };
        Ok(search.scan.finish(next))
    }
}

impl<'a> PageSearch<'a> {
    /// Reads the queues one after the other, in the order of their names.
    async fn read_queues(&mut self) -> Result<Option<JobsCursor>, TransportError> {
        let names = match &self.query.queue {
            Some(queue) => vec![queue.clone()],
            None => self.api.queues().await?,
        };
        let first = self.query.cursor.as_ref().and_then(|cursor| cursor.queue.as_ref());
        for name in names.iter().filter(|name| first.is_none_or(|first| first <= *name)) {
            let subjects = &self.api.subjects;
            let source = StreamRange {
                stream: subjects.queue_stream(name),
                subject: subjects.of_queue(self.query.place, name),
                queue: Some(name),
            };
            let next = self.read(&source).await?;
            if next.is_some() {
                return Ok(next);
            }
        }
        Ok(None)
    }

    fn has_enough(&self) -> bool {
        self.scan.is_full() || self.requests == 0
    }

    /// Adds one stream's jobs to the page. Returns the cursor of the next page if the stream has
    /// more.
    async fn read(
        &mut self,
        source: &StreamRange<'_>,
    ) -> Result<Option<JobsCursor>, TransportError> {
        let at = |seq| JobsCursor { queue: source.queue.cloned(), seq };
        let start = self.query.cursor.as_ref();
        let start = start.filter(|c| c.queue.is_none() || c.queue.as_ref() == source.queue);
        let start = start.map(|cursor| cursor.seq);
        if self.has_enough() {
            return Ok(Some(at(start.unwrap_or(match self.query.order {
                Order::NewestFirst => u64::MAX,
                Order::OldestFirst => 0,
            }))));
        }
        let Some((range, delivered)) = self.range(source).await? else { return Ok(None) };
        let (low, high) = range.into_inner();
        let next = match self.query.order {
            Order::OldestFirst => {
                let low = low.max(start.unwrap_or(0));
                self.forwards(source, low..=high, delivered).await?
            }
            Order::NewestFirst => {
                let high = high.min(start.unwrap_or(u64::MAX));
                self.backwards(source, low..=high, delivered).await?
            }
        };
        Ok(next.map(at))
    }

    /// The range of sequences that may match, and for a queue the last delivered sequence. A
    /// message in the queue up to that sequence is with a worker.
    async fn range(
        &mut self,
        source: &StreamRange<'_>,
    ) -> Result<Option<(RangeInclusive<u64>, u64)>, TransportError> {
        let fail = |e: crate::error::ApiError| e.into_transport("list jobs", self.api.url());
        let info = self.api.stream_info(&source.stream).await.map_err(fail)?;
        self.requests = self.requests.saturating_sub(1);
        let Some(state) = info.map(|info| info.state).filter(|state| state.messages > 0) else {
            return Ok(None);
        };
        let mut delivered = 0;
        if let (Some(queue), Place::Queue) = (source.queue, self.query.place) {
            let consumer = self.api.consumer_info(queue).await.map_err(fail)?;
            self.requests = self.requests.saturating_sub(1);
            delivered = consumer.map_or(0, |consumer| consumer.delivered.stream_seq);
        }
        let (low, high) = match self.query.state {
            Some(JobState::Running) => (state.first_seq, state.last_seq.min(delivered)),
            Some(JobState::Pending) => (state.first_seq.max(delivered + 1), state.last_seq),
            _ => (state.first_seq, state.last_seq),
        };
        Ok(Some((low..=high, delivered)))
    }

    async fn batch(
        &mut self,
        source: &StreamRange<'_>,
        from: u64,
        limit: usize,
    ) -> Result<DirectGetBatch, TransportError> {
        self.requests = self.requests.saturating_sub(1);
        self.api.next_of(&source.stream, &source.subject, from, limit).await
    }

    /// Adds the messages of a batch to `looked`. Skips messages that do not belong to a job.
    fn scan_batch(&mut self, batch: DirectGetBatch, delivered: u64, looked: &mut Vec<Looked>) {
        for message in batch.messages {
            let Some(mut stored) = self.api.to_stored_or_marker(message) else {
                self.scan.skip();
                continue;
            };
            if !stored.message.is_marker() {
                stored.delivered = stored.place == Place::Queue && stored.seq <= delivered;
                looked.push(self.scan.look(&stored));
            }
        }
    }

    async fn forwards(
        &mut self,
        source: &StreamRange<'_>,
        range: RangeInclusive<u64>,
        delivered: u64,
    ) -> Result<Option<u64>, TransportError> {
        let (mut from, high) = range.into_inner();
        while from <= high {
            if self.has_enough() {
                return Ok(Some(from));
            }
            let batch = self.batch(source, from, self.scan.room()).await?;
            let (last, left) = (batch.messages.last().map(|message| message.seq), batch.left);
            let mut looked = Vec::with_capacity(batch.messages.len());
            self.scan_batch(batch, delivered, &mut looked);
            for looked in looked {
                if looked.seq > high {
                    return Ok(None);
                }
                if self.scan.is_full() {
                    return Ok(Some(looked.seq));
                }
                if !self.scan.take(looked) {
                    return Ok(None);
                }
            }
            match last {
                Some(last) if left > 0 => from = last + 1,
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    async fn backwards(
        &mut self,
        source: &StreamRange<'_>,
        range: RangeInclusive<u64>,
        delivered: u64,
    ) -> Result<Option<u64>, TransportError> {
        let (low, mut high) = range.into_inner();
        let mut width = self.scan.room() as u64;
        while high >= low {
            if self.has_enough() {
                return Ok(Some(high));
            }
            let from = high.saturating_sub(width - 1).max(low);
            let Some(looked) = self.read_window(source, from..=high, delivered).await? else {
                // The window has too many messages for one read. Try a smaller one.
                width = (width / GROWTH_AFTER_EMPTY).max(1);
                continue;
            };
            let found = looked.len() as u64;
            for looked in looked.into_iter().rev() {
                if self.scan.is_full() {
                    return Ok(Some(looked.seq));
                }
                if !self.scan.take(looked) {
                    return Ok(None);
                }
            }
            if from == low {
                return Ok(None);
            }
            high = from - 1;
            width = match found {
                0 => width.saturating_mul(GROWTH_AFTER_EMPTY),
                few if few < width / GROWTH_AFTER_FEW => width.saturating_mul(GROWTH_AFTER_FEW),
                _ => self.scan.room() as u64,
            };
        }
        Ok(None)
    }

    /// All messages of a window, oldest first. `None` if there are too many to read at once.
    async fn read_window(
        &mut self,
        source: &StreamRange<'_>,
        read_window: RangeInclusive<u64>,
        delivered: u64,
    ) -> Result<Option<Vec<Looked>>, TransportError> {
        let (mut from, high) = read_window.into_inner();
        if high - from >= BATCH && !self.is_sparse(source, from..=high).await? {
            return Ok(None);
        }
        let mut all = Vec::new();
        while from <= high {
            let limit = usize::try_from((high - from + 1).min(BATCH)).unwrap_or(usize::MAX);
            let batch = self.batch(source, from, limit).await?;
            let (last, left) = (batch.messages.last().map(|message| message.seq), batch.left);
            self.scan_batch(batch, delivered, &mut all);
            match last {
                // The broker also limits the bytes of one reply.
                Some(last) if left > 0 => from = last + 1,
                _ => break,
            }
        }
        all.retain(|looked| looked.seq <= high);
        Ok(Some(all))
    }

    /// Whether a wide window has no more messages than one request can read, by the broker's
    /// counters.
    async fn is_sparse(
        &mut self,
        source: &StreamRange<'_>,
        read_window: RangeInclusive<u64>,
    ) -> Result<bool, TransportError> {
        let count = |batch: DirectGetBatch| batch.messages.len() as u64 + batch.left;
        let (from, high) = read_window.into_inner();
        let within = count(self.batch(source, from, 1).await?);
        let beyond = count(self.batch(source, high + 1, 1).await?);
        Ok(within.saturating_sub(beyond) <= BATCH)
    }
}
