//! Stores facts. Fences retries, and stores only the first final record of a life.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::transport::{
    AWAITED_RECORD_TTL, Awaiting, Claim, Fact, FactKind, JobKey, Mark, Place, TransportError,
    Written,
};
use naq_core::wire::{Nonce, WireMessage, headers};

use crate::broker_state::{BrokerState, check_size};
use crate::queue::MemoryQueue;

impl BrokerState {
    pub(crate) fn write(&mut self, fact: &Fact, now: Timestamp) -> Result<Written, TransportError> {
        check_size(&fact.message)?;
        // Facts of all kinds create the queue: `find` searches only the queues that exist.
        let queue = self.queues.entry(fact.key.queue.clone()).or_default();
        let fenced = !is_current(queue, fact);
        let Fact { key, message, .. } = fact.clone();
        match fact.kind {
            FactKind::Record { ttl, .. } => return Ok(self.claim(fact, now, ttl)),
            FactKind::Dead if self.dead.dedup.knows(&fact.dedup, now) => {}
            FactKind::Dead => {
                self.dead.dedup.remember(&fact.dedup, now);
                self.dead.append(Place::Dead, key, message, now, None);
            }
            _ if queue.log.dedup.knows(&fact.dedup, now) => {}
            _ if fenced => return Ok(Written::Fenced),
            FactKind::Retry { due_at } => {
                queue.log.dedup.remember(&fact.dedup, now);
                queue.schedule(key, message, now, due_at);
                queue.advance(now);
            }
            FactKind::GiveBack => {
                queue.log.dedup.remember(&fact.dedup, now);
                queue.append(key, message, now);
            }
        }
        Ok(Written::Stored)
    }

    /// Stores a final record, if it is the first one of its life.
    fn claim(&mut self, fact: &Fact, now: Timestamp, ttl: Duration) -> Written {
        let last = self.records.last(Place::Record, &fact.key);
        let (written, message, ttl) = match Claim::of(fact, last) {
            Claim::Decided(written) => return written,
            Claim::Free(_) => (Written::Stored, fact.message.clone(), ttl),
            Claim::Awaited(_) => {
                let message = fact.message.clone().with(headers::AWAITED, "1");
                (Written::Awaited, message, ttl.max(AWAITED_RECORD_TTL))
            }
        };
        // A record that was stored before and has expired since is not stored again.
        if !self.records.dedup.knows(&fact.dedup, now) {
            self.records.dedup.remember(&fact.dedup, now);
            self.put_record(fact.key.clone(), message, now, Some(ttl));
        }
        written
    }

    pub(crate) fn await_end(&mut self, key: &JobKey, life: &Nonce, now: Timestamp) -> Awaiting {
        let last = self.records.last(Place::Record, key).cloned();
        match Mark::of(life, last) {
            Mark::Known(awaiting) => awaiting,
            Mark::Over(_) => {
                self.put_record(key.clone(), WireMessage::marker(), now, None);
                Awaiting::Marked
            }
        }
    }
}

/// Whether the settled message is still the current one of its life. A newer message on the subject
/// replaces it only if it is of the same life. A job of the same id that was published without NAQ
/// must not make this one disappear.
fn is_current(queue: &MemoryQueue, fact: &Fact) -> bool {
    let Some(last) = queue.log.last(Place::Queue, &fact.key) else { return false };
    last.seq == fact.settles
        || queue.log.get(fact.settles).is_some_and(|it| it.step().nonce != last.step().nonce)
}
