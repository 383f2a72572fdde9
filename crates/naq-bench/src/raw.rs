//! [`RawContestant`]: does the same work as NAQ with async-nats alone. It uses copies of the same
//! streams and consumer, one subject per job, message ids, and the same headers and bodies. Before the
//! ack it stores a record with a TTL, which the broker refuses if there is a record already. It is
//! written for speed: many requests in flight, large pulls, and waits only for the oldest answer.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::future::IntoFuture;
use std::hash::BuildHasher;

use anyhow::{Result, anyhow};
use async_nats::HeaderMap;
use async_nats::header::{
    NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID, NATS_MESSAGE_TTL, NATS_SCHEDULE,
    NATS_SCHEDULE_TARGET,
};
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::{self, Message};
use futures_util::StreamExt;
use naq_core::wire::WireMessage;
use naq_core::{Clock, SystemClock, Timestamp};
use naq_nats::{NatsConfig, NatsTransport};
use tokio::sync::oneshot;

use crate::contestant::{Contestant, JobShape, RunningWorker, StartTimes};
use crate::topology::{BenchStreams, CONSUMER};

/// Publishes in flight at once: the fastest of the values tried.
const JOBS_IN_FLIGHT: usize = 1024;
const RECORDS_IN_FLIGHT: usize = 256;
/// Messages in one pull.
const BATCH: usize = 1000;

/// The raw side.
pub(crate) struct RawContestant {
    pub(crate) config: NatsConfig,
    pub(crate) streams: BenchStreams,
    /// A job and a record as NAQ stored them.
    pub(crate) job: WireMessage,
    pub(crate) record: WireMessage,
}

impl RawContestant {
    async fn send(&self, n: usize, due: Option<Timestamp>) -> Result<PublishAckFuture> {
        let id = id(n);
        let target = format!("{}{id}", self.streams.jobs);
        let mut headers = header_map(&self.job);
        headers.insert(NATS_MESSAGE_ID, id.as_str());
        let subject = match due {
            None => target,
            Some(due) => {
                headers.insert(NATS_SCHEDULE, format!("@at {due}"));
                headers.insert(NATS_SCHEDULE_TARGET, target);
                format!("{}{id}", self.streams.schedules)
            }
        };
        Ok(self.streams.js.publish_with_headers(subject, headers, self.job.body.clone()).await?)
    }

    /// Enqueues a job that is due at `due`.
    pub(crate) async fn enqueue_at(&self, n: usize, due: Timestamp) -> Result<()> {
        self.send(n, Some(due)).await?.await?;
        Ok(())
    }
}

/// An id for job number `n`, in the form of NAQ's own ids: the time, random digits, and here the
/// number. The broker stores subjects in a tree, whose cost depends on their common prefixes.
fn id(n: usize) -> String {
    let millis = SystemClock.now().as_millis();
    let random = RandomState::new().hash_one(n);
    format!(
        "{:08x}-{:04x}-7{:03x}-{:04x}-{n:012x}",
        millis >> 16,
        millis & 0xffff,
        random & 0xfff,
        random >> 48
    )
}

fn header_map(message: &WireMessage) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in message.headers() {
        headers.append(name, value);
    }
    headers
}

fn due(shape: JobShape) -> Option<Timestamp> {
    shape.delay.map(|delay| SystemClock.now() + delay)
}

impl Contestant for RawContestant {
    async fn enqueue(&self, n: usize, shape: JobShape) -> Result<()> {
        self.send(n, due(shape)).await?.await?;
        Ok(())
    }

    async fn enqueue_many(&self, count: usize, shape: JobShape) -> Result<()> {
        let mut in_flight = VecDeque::with_capacity(JOBS_IN_FLIGHT);
        for n in 0..count {
            in_flight.push_back(self.send(n, due(shape)).await?.into_future());
            if in_flight.len() == JOBS_IN_FLIGHT
                && let Some(oldest) = in_flight.pop_front()
            {
                oldest.await?;
            }
        }
        for ack in in_flight {
            ack.await?;
        }
        Ok(())
    }

    async fn work(
        &self,
        _slots: usize,
        shape: JobShape,
        starts: StartTimes,
    ) -> Result<RunningWorker> {
        let transport = NatsTransport::connect(self.config.clone()).await?;
        let js = jetstream::new(transport.client());
        let consumer: PullConsumer =
            js.get_consumer_from_stream(CONSUMER, &self.streams.queue).await?;
        let messages = consumer.stream().max_messages_per_batch(BATCH).messages().await?;
        let worker = RawWorker {
            js,
            starts,
            records: shape.records.then(|| self.streams.records.clone()),
            headers: header_map(&self.record),
            body: self.record.body.clone(),
            recording: VecDeque::new(),
        };
        Ok(RunningWorker::start(|stop| worker.run(messages, stop)))
    }

    fn streams(&self) -> &BenchStreams {
        &self.streams
    }
}

/// A record in flight, and the job to ack once the record is stored.
type Recording = (<PublishAckFuture as IntoFuture>::IntoFuture, Message);

struct RawWorker {
    js: jetstream::Context,
    starts: StartTimes,
    /// The prefix of the records' subjects, if records are written.
    records: Option<String>,
    headers: HeaderMap,
    body: bytes::Bytes,
    recording: VecDeque<Recording>,
}

impl RawWorker {
    async fn run(
        mut self,
        mut messages: pull::Stream,
        mut stop: oneshot::Receiver<()>,
    ) -> Result<()> {
        loop {
            tokio::select! {
                biased;
                Some(message) = messages.next() => self.take(message?).await?,
                stored = oldest(&mut self.recording), if !self.recording.is_empty() => {
                    stored?;
                    self.ack_oldest().await?;
                }
                _ = &mut stop => break,
            }
        }
        while !self.recording.is_empty() {
            oldest(&mut self.recording).await?;
            self.ack_oldest().await?;
        }
        Ok(())
    }

    async fn take(&mut self, message: Message) -> Result<()> {
        let id = message.subject.rsplit('.').next().unwrap_or_default();
        let number = id.rsplit('-').next().and_then(|n| usize::from_str_radix(n, 16).ok());
        self.starts.mark(number.unwrap_or(usize::MAX));
        let Some(records) = &self.records else {
            return message.ack().await.map_err(|e| anyhow!(e));
        };
        let mut headers = self.headers.clone();
        headers.insert(NATS_MESSAGE_ID, format!("bench/{id}/completed"));
        headers.insert(NATS_MESSAGE_TTL, "3600s");
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
        let record =
            self.js.publish_with_headers(format!("{records}{id}"), headers, self.body.clone());
        self.recording.push_back((record.await?.into_future(), message));
        if self.recording.len() >= RECORDS_IN_FLIGHT {
            oldest(&mut self.recording).await?;
            self.ack_oldest().await?;
        }
        Ok(())
    }

    async fn ack_oldest(&mut self) -> Result<()> {
        match self.recording.pop_front() {
            Some((_, message)) => message.ack().await.map_err(|e| anyhow!(e)),
            None => Ok(()),
        }
    }
}

/// Waits until the oldest record is stored.
async fn oldest(recording: &mut VecDeque<Recording>) -> Result<()> {
    match recording.front_mut() {
        Some((stored, _)) => stored.await.map(drop).map_err(Into::into),
        None => Ok(()),
    }
}
