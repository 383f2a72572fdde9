//! All data of the broker: a plain state machine that gets the time as an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::names::{QueueName, WorkerId};
use naq_core::transport::{JobKey, Place, Receipt, Stored, Submission, TransportError, WorkerInfo};
use naq_core::wire::WireMessage;

use crate::blobs::BlobStore;
use crate::journal::JournalEntry;
use crate::queue::MemoryQueue;
use crate::state_store::StateEntries;
use crate::stats::StatsLog;
use crate::stream_log::StreamLog;

/// The largest message: a NATS server's default `max_payload`.
pub(crate) const MAX_PAYLOAD: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub(crate) struct BrokerState {
    pub(crate) queues: BTreeMap<QueueName, MemoryQueue>,
    pub(crate) dead: StreamLog,
    pub(crate) records: StreamLog,
    /// The records by the time at which they expire.
    expiries: BTreeSet<(Timestamp, u64)>,
    pub(crate) state_entries: StateEntries,
    pub(crate) blobs: BlobStore,
    pub(crate) stats: StatsLog,
    /// `None` unless `MemoryTransport::with_journal` was called.
    pub(crate) journal: Option<Vec<JournalEntry>>,
    pub(crate) workers: BTreeMap<WorkerId, (Timestamp, WorkerInfo)>,
}

impl BrokerState {
    /// Moves the clock forward: due jobs move to their queue, expired data is removed.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.queues.values_mut().for_each(|queue| queue.advance(now));
        while let Some(&(until, seq)) = self.expiries.first()
            && until <= now
        {
            self.expiries.remove(&(until, seq));
            self.records.remove(seq);
        }
        self.state_entries.advance(now);
        self.blobs.advance(now);
        self.stats.advance(now);
        self.workers.retain(|_, (until, _)| *until > now);
    }

    /// The queue. Creates it if it does not exist.
    pub(crate) fn queue(&mut self, name: &QueueName) -> &mut MemoryQueue {
        self.queues.entry(name.clone()).or_default()
    }

    /// The queue, or an error if it does not exist.
    pub(crate) fn existing_queue(
        &mut self,
        name: &QueueName,
    ) -> Result<&mut MemoryQueue, TransportError> {
        self.queues.get_mut(name).ok_or_else(|| TransportError::NoQueue(name.to_string()))
    }

    pub(crate) fn publish(
        &mut self,
        job: Submission,
        now: Timestamp,
    ) -> Result<Receipt, TransportError> {
        check_size(&job.message)?;
        let found = if job.unique { self.locate(&job.key) } else { Vec::new() };
        let is_gone = job.unique && found.is_empty();
        let refused = found.iter().any(|stored| job.is_refused_by(stored));
        let args = self.kept_bytes(&job.key.queue);
        let queue = self.queue(&job.key.queue);
        // A purge frees the ids of its jobs.
        let freed = |since| is_gone && queue.purges.of_queue().is_some_and(|at| since <= at);
        if refused || queue.log.dedup.since(&job.dedup, now).is_some_and(|since| !freed(since)) {
            return Ok(Receipt::Duplicate);
        }
        queue.check_room(&job.key.queue, args)?;
        queue.log.dedup.remember(&job.dedup, now);
        Ok(Receipt::Stored(match job.due_at {
            Some(due_at) if due_at > now => queue.schedule(job.key, job.message, now, due_at),
            _ => queue.append(job.key, job.message, now),
        }))
    }

    /// The bytes of the large arguments that the bound of this queue counts; 0 if it counts no bytes.
    pub(crate) fn kept_bytes(&self, queue: &QueueName) -> u64 {
        let bound = self.queues.get(queue).and_then(|queue| queue.bound.max_bytes);
        bound.map_or(0, |_| self.blobs.kept_bytes(queue))
    }

    /// Stores a record, or a marker if there is no TTL. Replaces the job's earlier record or
    /// marker.
    pub(crate) fn put_record(
        &mut self,
        key: JobKey,
        message: WireMessage,
        now: Timestamp,
        ttl: Option<Duration>,
    ) {
        let earlier = self.records.last(Place::Record, &key).map(|stored| stored.seq);
        earlier.and_then(|seq| self.records.remove(seq));
        let seq = self.records.append(Place::Record, key, message, now, None);
        self.expiries.extend(ttl.map(|ttl| (now + whole_seconds(ttl), seq)));
    }

    /// The last message on each of a job's four subjects, without markers.
    pub(crate) fn locate(&self, key: &JobKey) -> Vec<Stored> {
        let queue = self.queues.get(&key.queue);
        let in_queue = |place| queue.and_then(|queue| queue.last(place, key));
        [
            in_queue(Place::Queue),
            in_queue(Place::Schedule),
            self.dead.last(Place::Dead, key).cloned(),
            self.records.last(Place::Record, key).filter(|it| !it.message.is_marker()).cloned(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

pub(crate) fn check_size(message: &WireMessage) -> Result<(), TransportError> {
    let size = message.size();
    if size > MAX_PAYLOAD {
        return Err(TransportError::TooLarge { size, max: MAX_PAYLOAD });
    }
    Ok(())
}

/// Rounds a TTL up to whole seconds, at least one, as JetStream does.
pub(crate) fn whole_seconds(ttl: Duration) -> Duration {
    let up = u64::from(ttl.subsec_nanos() > 0);
    Duration::from_secs(ttl.as_secs().saturating_add(up).max(1))
}
