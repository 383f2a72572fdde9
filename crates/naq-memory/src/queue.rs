//! One queue: its stream, its schedules, and the one consumer that all workers share.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::transport::{JobKey, Place, Stored};
use naq_core::wire::WireMessage;

use crate::log::Log;

/// A message out of the queue, with how often it has been handed out.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) stored: Stored,
    pub(crate) delivered: u32,
}

#[derive(Debug)]
struct Held {
    until: Timestamp,
    delivered: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) log: Log,
    /// Schedules by the time at which they move to the queue.
    due: BTreeSet<(Timestamp, u64)>,
    /// Never handed out.
    ready: BTreeSet<u64>,
    /// Handed out and not acked, also when the lease has run out meanwhile.
    held: BTreeMap<u64, Held>,
    /// The ends of the leases of `held`.
    leases: BTreeSet<(Timestamp, u64)>,
    pub(crate) lease: Option<Duration>,
    pub(crate) paused_until: Option<Timestamp>,
    /// Deliveries that may be held at once.
    pub(crate) limit: Option<u64>,
}

impl Queue {
    /// Puts a message at the end of the queue.
    pub(crate) fn push(&mut self, key: JobKey, message: WireMessage, now: Timestamp) -> u64 {
        let seq = self.log.append(Place::Queue, key, message, now, None);
        self.ready.insert(seq);
        seq
    }

    /// Puts a message aside until `due_at`, in place of the one that the job may have there.
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

    /// Moves what is due to the queue, in the order of the due times.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while let Some(&(due_at, seq)) = self.due.first()
            && due_at <= now
        {
            self.fire(seq, due_at);
        }
        self.paused_until = self.paused_until.filter(|until| *until > now);
    }

    /// Moves one schedule to the queue. False when it is gone.
    pub(crate) fn fire(&mut self, seq: u64, at: Timestamp) -> bool {
        let Some(stored) = self.remove(seq) else { return false };
        self.push(stored.key, stored.message, at.max(stored.stored_at));
        true
    }

    /// Hands out at most `max`: first what was held too long, then what is fresh.
    pub(crate) fn take(&mut self, max: usize, now: Timestamp) -> Vec<Handed> {
        if self.paused_until.is_some() {
            return Vec::new();
        }
        let late = self.leases.iter().take_while(|(until, _)| *until <= now).map(|(_, seq)| *seq);
        let limit = self.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let fresh = self.ready.iter().copied().take(limit.saturating_sub(self.held.len()));
        let seqs: Vec<u64> = late.chain(fresh).take(max).collect();
        seqs.into_iter().filter_map(|seq| self.hand_out(seq, now)).collect()
    }

    fn hand_out(&mut self, seq: u64, now: Timestamp) -> Option<Handed> {
        let mut stored = self.log.get(seq)?.clone();
        stored.delivered = true;
        self.ready.remove(&seq);
        let delivered = self.held.get(&seq).map_or(1, |held| held.delivered + 1);
        self.hold(seq, delivered, now);
        Some(Handed { stored, delivered })
    }

    fn hold(&mut self, seq: u64, delivered: u32, now: Timestamp) {
        let until = now + self.lease.unwrap_or_default();
        if let Some(before) = self.held.insert(seq, Held { until, delivered }) {
            self.leases.remove(&(before.until, seq));
        }
        self.leases.insert((until, seq));
    }

    /// The message that has never been handed out and has waited longest to be.
    pub(crate) fn oldest_ready(&self) -> Option<&Stored> {
        self.log.get(*self.ready.first()?)
    }

    /// Another lease from now. Whoever asks gets it, as at a NATS server.
    pub(crate) fn renew(&mut self, seq: u64, now: Timestamp) {
        if let Some(held) = self.held.get(&seq) {
            self.hold(seq, held.delivered, now);
        }
    }

    /// Drops a message that somebody holds or held, whoever says so: the broker does not fence.
    pub(crate) fn ack(&mut self, seq: u64) {
        if self.held.contains_key(&seq) {
            self.remove(seq);
        }
    }

    /// Drops a message, wherever it stands.
    pub(crate) fn remove(&mut self, seq: u64) -> Option<Stored> {
        let stored = self.log.remove(seq)?;
        self.ready.remove(&seq);
        if let Some(due_at) = stored.due_at {
            self.due.remove(&(due_at, seq));
        }
        if let Some(held) = self.held.remove(&seq) {
            self.leases.remove(&(held.until, seq));
        }
        Some(stored)
    }

    /// Drops everything; says how much it was.
    pub(crate) fn purge(&mut self) -> u64 {
        let seqs: Vec<u64> = self.log.from(0).map(|stored| stored.seq).collect();
        seqs.iter().filter_map(|seq| self.remove(*seq)).count() as u64
    }

    /// The last message on a job's queue subject or schedule.
    pub(crate) fn last(&self, place: Place, key: &JobKey) -> Option<Stored> {
        let mut stored = self.log.last(place, key)?.clone();
        stored.delivered = self.held.contains_key(&stored.seq);
        Some(stored)
    }

    /// Whether a worker has the message of this sequence.
    pub(crate) fn is_held(&self, seq: u64) -> bool {
        self.held.contains_key(&seq)
    }

    /// When something will be ready without anybody's doing.
    pub(crate) fn next_change(&self) -> Option<Timestamp> {
        let due = self.due.first().map(|(at, _)| *at);
        let lease = self.leases.first().map(|(at, _)| *at);
        self.paused_until.or_else(|| due.into_iter().chain(lease).min())
    }

    /// Pending, running, waiting.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.ready.len() as u64, self.held.len() as u64, self.due.len() as u64)
    }
}
