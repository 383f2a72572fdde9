//! Settle: facts, the fence around them, and the one record of a life.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::transport::{
    AWAITED_RECORD_TTL, Awaiting, Claim, Fact, FactKind, JobKey, Mark, Place, TransportError,
    Written,
};
use naq_core::wire::{Nonce, WireMessage, headers};

use crate::queue::Queue;
use crate::state::{State, check_size};

impl State {
    pub(crate) fn write(&mut self, fact: &Fact, now: Timestamp) -> Result<Written, TransportError> {
        check_size(&fact.message)?;
        // Also for a record or a dead letter: `find` looks where there is a queue.
        let queue = self.queues.entry(fact.key.queue.clone()).or_default();
        let fenced = !is_current(queue, fact);
        let (key, message) = (fact.key.clone(), fact.message.clone());
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
                queue.push(key, message, now);
            }
        }
        Ok(Written::Stored)
    }

    /// Writes a final record, if it is the first of its life.
    fn claim(&mut self, fact: &Fact, now: Timestamp, ttl: Duration) -> Written {
        let standing = self.records.last(Place::Record, &fact.key);
        let (written, message, ttl) = match Claim::of(fact, standing) {
            Claim::Decided(written) => return written,
            Claim::Free(_) => (Written::Stored, fact.message.clone(), ttl),
            Claim::Awaited(_) => {
                let message = fact.message.clone().with(headers::AWAITED, "1");
                (Written::Awaited, message, ttl.max(AWAITED_RECORD_TTL))
            }
        };
        // One that was stored, and has vanished since.
        if !self.records.dedup.knows(&fact.dedup, now) {
            self.records.dedup.remember(&fact.dedup, now);
            self.put_record(fact.key.clone(), message, now, Some(ttl));
        }
        written
    }

    pub(crate) fn await_end(&mut self, key: &JobKey, life: &Nonce, now: Timestamp) -> Awaiting {
        let standing = self.records.last(Place::Record, key).cloned();
        match Mark::of(life, standing) {
            Mark::Known(awaiting) => awaiting,
            Mark::Over(_) => {
                self.put_record(key.clone(), WireMessage::marker(), now, None);
                Awaiting::Marked
            }
        }
    }
}

/// Whether the message that the fact settles is still its job's. A newer message on the subject
/// takes its place only when it is of the same life: somebody else's job of the same id, written
/// by hand, must not swallow this one.
fn is_current(queue: &Queue, fact: &Fact) -> bool {
    let Some(last) = queue.log.last(Place::Queue, &fact.key) else { return false };
    last.seq == fact.settles
        || queue.log.get(fact.settles).is_some_and(|it| it.step().nonce != last.step().nonce)
}
