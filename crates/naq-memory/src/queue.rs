//! One queue: its stream, its schedules, and the consumer that all workers share.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::names::QueueName;
use naq_core::transport::{JobKey, Place, QueueBound, QueueSize, Stored, TransportError};
use naq_core::wire::WireMessage;

use crate::purges::Purges;
use crate::stream_log::StreamLog;

/// A message that was delivered, with the number of its deliveries.
#[derive(Debug)]
pub(crate) struct FetchedMessage {
    pub(crate) stored: Stored,
    pub(crate) delivered: u32,
}

#[derive(Debug)]
struct LeasedMessage {
    until: Timestamp,
    delivered: u32,
}

#[derive(Debug, Default)]
pub(crate) struct MemoryQueue {
    pub(crate) log: StreamLog,
    /// Waiting messages by the time at which they move to the queue.
    due: BTreeSet<(Timestamp, u64)>,
    /// Messages that were never delivered.
    ready: BTreeSet<u64>,
    /// Messages that were delivered and not acked, including those whose lease has ended.
    leased: BTreeMap<u64, LeasedMessage>,
    /// The same messages by the end of their lease.
    leases: BTreeSet<(Timestamp, u64)>,
    /// Messages that were delivered, and that the broker will not deliver again.
    forgotten: BTreeSet<u64>,
    pub(crate) lease: Option<Duration>,
    pub(crate) paused_until: Option<Timestamp>,
    /// When it and its jobs were last purged.
    pub(crate) purges: Purges,
    /// How many messages may be leased at once.
    pub(crate) limit: Option<u64>,
    /// How much it may store before it refuses new jobs.
    pub(crate) bound: QueueBound,
}

impl MemoryQueue {
    /// Whether the queue takes another job. `args` are the bytes of the large arguments of its jobs.
    pub(crate) fn check_room(&self, queue: &QueueName, args: u64) -> Result<(), TransportError> {
        let bound = self.bound;
        if !bound.is_set() {
            return Ok(());
        }
        let (pending, running, waiting) = self.counts();
        let bytes = self.log.bytes() as u64 + args;
        let size = QueueSize { jobs: pending + running + waiting, bytes };
        match bound.has_room(size) {
            true => Ok(()),
            false => {
                let QueueSize { jobs, bytes } = size;
                Err(TransportError::QueueFull { queue: queue.clone(), bound, jobs, bytes })
            }
        }
    }

    /// Puts a message at the end of the queue.
    pub(crate) fn append(&mut self, key: JobKey, message: WireMessage, now: Timestamp) -> u64 {
        let seq = self.log.append(Place::Queue, key, message, now, None);
        self.ready.insert(seq);
        seq
    }

    /// Stores a message until `due_at`. It replaces the job's waiting message, if there is one.
    pub(crate) fn schedule(
        &mut self,
        key: JobKey,
        message: WireMessage,
        now: Timestamp,
        due_at: Timestamp,
    ) -> u64 {
        let earlier = self.log.last(Place::Schedule, &key).map(|stored| stored.seq);
        earlier.and_then(|seq| self.remove(seq));
        let seq = self.log.append(Place::Schedule, key, message, now, Some(due_at));
        self.due.insert((due_at, seq));
        seq
    }

    /// Moves all due messages to the queue, in the order of their due times.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while let Some(&(due_at, seq)) = self.due.first()
            && due_at <= now
        {
            self.move_due(seq, due_at);
        }
        self.paused_until = self.paused_until.filter(|until| *until > now);
    }

    /// Moves one waiting message to the queue. False if it does not exist any more.
    pub(crate) fn move_due(&mut self, seq: u64, at: Timestamp) -> bool {
        let Some(stored) = self.remove(seq) else { return false };
        self.append(stored.key, stored.message, at.max(stored.stored_at));
        true
    }

    /// Delivers at most `max` messages: first those whose lease has ended, then new ones.
    pub(crate) fn fetch(&mut self, max: usize, now: Timestamp) -> Vec<FetchedMessage> {
        if self.paused_until.is_some() {
            return Vec::new();
        }
        let late = self.leases.iter().take_while(|(until, _)| *until <= now).map(|(_, seq)| *seq);
        let limit = self.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let fresh = self.ready.iter().copied().take(limit.saturating_sub(self.leased.len()));
        let seqs: Vec<u64> = late.chain(fresh).take(max).collect();
        seqs.into_iter().filter_map(|seq| self.deliver(seq, now)).collect()
    }

    fn deliver(&mut self, seq: u64, now: Timestamp) -> Option<FetchedMessage> {
        let mut stored = self.log.get(seq)?.clone();
        stored.delivered = true;
        self.ready.remove(&seq);
        let delivered = self.leased.get(&seq).map_or(1, |leased| leased.delivered + 1);
        self.lease_message(seq, delivered, now);
        Some(FetchedMessage { stored, delivered })
    }

    fn lease_message(&mut self, seq: u64, delivered: u32, now: Timestamp) {
        let until = now + self.lease.unwrap_or_default();
        if let Some(before) = self.leased.insert(seq, LeasedMessage { until, delivered }) {
            self.leases.remove(&(before.until, seq));
        }
        self.leases.insert((until, seq));
    }

    /// The oldest message that was never delivered.
    pub(crate) fn oldest_ready(&self) -> Option<&Stored> {
        self.log.get(*self.ready.first()?)
    }

    /// Starts another lease now. As on a NATS server, any caller may renew.
    pub(crate) fn renew(&mut self, delivered: &Stored, now: Timestamp) {
        let seq = delivered.seq;
        if self.holds(delivered)
            && let Some(leased) = self.leased.get(&seq)
        {
            self.lease_message(seq, leased.delivered, now);
        }
    }

    /// Whether it still has the message that was delivered, and not another one with its sequence.
    fn holds(&self, delivered: &Stored) -> bool {
        self.log.get(delivered.seq).is_some_and(|stored| stored.is_same_message(delivered))
    }

    /// Removes a delivered message. Any caller may do this: an ack is not fenced.
    pub(crate) fn ack(&mut self, delivered: &Stored) {
        let seq = delivered.seq;
        if !self.holds(delivered) {
            return;
        }
        if self.leased.contains_key(&seq) || self.forgotten.contains(&seq) {
            self.remove(seq);
        }
    }

    /// Removes a message in any state.
    pub(crate) fn remove(&mut self, seq: u64) -> Option<Stored> {
        let stored = self.log.remove(seq)?;
        self.ready.remove(&seq);
        self.forgotten.remove(&seq);
        if let Some(due_at) = stored.due_at {
            self.due.remove(&(due_at, seq));
        }
        if let Some(leased) = self.leased.remove(&seq) {
            self.leases.remove(&(leased.until, seq));
        }
        Some(stored)
    }

    /// Removes all messages and returns their number. Their ids are free.
    pub(crate) fn purge(&mut self, now: Timestamp) -> u64 {
        self.purges.note_queue(now);
        let seqs: Vec<u64> = self.log.from(0).map(|stored| stored.seq).collect();
        seqs.iter().filter_map(|seq| self.remove(*seq)).count() as u64
    }

    /// An empty queue with the same lease.
    pub(crate) fn made_again(&self) -> Self {
        Self { lease: self.lease, ..Self::default() }
    }

    /// Loses track of all messages that were delivered and not acked.
    pub(crate) fn forget(&mut self) {
        self.leases.clear();
        self.forgotten.extend(std::mem::take(&mut self.leased).into_keys());
    }

    /// The messages that the broker will not deliver, oldest first.
    pub(crate) fn forgotten(&self) -> impl Iterator<Item = &Stored> {
        self.forgotten.iter().filter_map(|seq| self.log.get(*seq))
    }

    /// The last message on a job's queue subject or schedule subject.
    pub(crate) fn last(&self, place: Place, key: &JobKey) -> Option<Stored> {
        let mut stored = self.log.last(place, key)?.clone();
        stored.delivered = self.is_leased(stored.seq);
        Some(stored)
    }

    /// Whether the message of this sequence was delivered and not acked.
    pub(crate) fn is_leased(&self, seq: u64) -> bool {
        self.leased.contains_key(&seq) || self.forgotten.contains(&seq)
    }

    /// The next time at which a message becomes ready without a call: due, lease ended, or resumed.
    pub(crate) fn next_change(&self) -> Option<Timestamp> {
        let due = self.due.first().map(|(at, _)| *at);
        let lease = self.leases.first().map(|(at, _)| *at);
        self.paused_until.or_else(|| due.into_iter().chain(lease).min())
    }

    /// The numbers of pending, running and waiting jobs.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.ready.len() as u64, self.leased.len() as u64, self.due.len() as u64)
    }
}
