//! Settle: facts and the fence around them.

use super::queue::Queue;
use super::state::{State, check_size};
use crate::clock::Timestamp;
use crate::transport::{Fact, FactKind, Place, TransportError, Written};

impl State {
    pub(super) fn write(&mut self, fact: &Fact, now: Timestamp) -> Result<Written, TransportError> {
        check_size(&fact.message)?;
        let (key, message) = (fact.key.clone(), fact.message.clone());
        let fenced = matches!(fact.kind, FactKind::Retry { .. } | FactKind::GiveBack);
        // Also for a record or a dead letter: `find` looks where there is a queue.
        let queue = self.queues.entry(fact.key.queue.clone()).or_default();
        let in_place = !fenced || is_current(queue, fact);
        let dedup = match fact.kind {
            FactKind::Record { .. } => &mut self.records.dedup,
            FactKind::Dead => &mut self.dead.dedup,
            FactKind::Retry { .. } | FactKind::GiveBack => &mut queue.log.dedup,
        };
        if dedup.knows(&fact.dedup, now) {
            return Ok(Written::Stored);
        }
        if !in_place {
            return Ok(Written::Fenced);
        }
        dedup.remember(&fact.dedup, now);
        match fact.kind {
            FactKind::Record { ttl, .. } => self.put_record(key, message, now, ttl),
            FactKind::Dead => {
                self.dead.append(Place::Dead, key, message, now, None);
            }
            FactKind::Retry { due_at } => {
                queue.schedule(key, message, now, due_at);
                queue.advance(now);
            }
            FactKind::GiveBack => {
                queue.push(key, message, now);
            }
        }
        Ok(Written::Stored)
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
