//! What operators do: move and remove messages, pause queues, send signals.

use std::fmt;
use std::num::NonZeroU64;

use async_trait::async_trait;
use naq_core::clock::Timestamp;
use naq_core::names::QueueName;
use naq_core::transport::{
    JobKey, Operator, Place, QueueBound, Signal, Signals, Stored, TransportError,
};
use naq_core::wire::WireMessage;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::broker_state::check_size;
use crate::transport::MemoryTransport;

impl MemoryTransport {
    /// Replaces the waiting message of a job. False if it is not there any more.
    pub(crate) fn replace_waiting(
        &self,
        stored: &Stored,
        message: WireMessage,
        due_at: Timestamp,
    ) -> Result<bool, TransportError> {
        let (mut state, now) = self.shared.state();
        check_size(&message)?;
        let queue = state.queue(&stored.key.queue);
        let waits = queue.log.get(stored.seq).is_some_and(|it| it.place == Place::Schedule);
        if waits {
            queue.schedule(stored.key.clone(), message, now, due_at);
            queue.advance(now);
        }
        drop(state);
        self.shared.changed.notify_waiters();
        Ok(waits)
    }
}

#[async_trait]
impl Operator for MemoryTransport {
    async fn remove(&self, stored: &Stored) -> Result<bool, TransportError> {
        let (mut state, _) = self.shared.state();
        let Stored { place, ref key, seq, .. } = *stored;
        let removed = match place {
            Place::Queue | Place::Schedule => {
                let queue = state.queue(&key.queue);
                let seqs = queue.log.up_to(place, key, seq);
                seqs.iter().filter_map(|seq| queue.remove(*seq)).count()
            }
            Place::Dead => {
                // A dead letter of an earlier life is a letter of its own and stays.
                usize::from(state.dead.remove(seq).is_some())
            }
            Place::Record => {
                let seqs = state.records.up_to(place, key, seq);
                seqs.iter().filter_map(|seq| state.records.remove(*seq)).count()
            }
        };
        drop(state);
        self.shared.settled.notify_waiters();
        Ok(removed > 0)
    }

    async fn release(&self, stored: &Stored) -> Result<bool, TransportError> {
        let (mut state, now) = self.shared.state();
        let queue = state.queue(&stored.key.queue);
        let waits = queue.log.get(stored.seq).is_some_and(|it| it.place == Place::Schedule);
        let released = waits && queue.move_due(stored.seq, now);
        drop(state);
        self.shared.changed.notify_waiters();
        Ok(released)
    }

    async fn reschedule(&self, stored: &Stored, due_at: Timestamp) -> Result<bool, TransportError> {
        self.replace_waiting(stored, stored.due_again(due_at), due_at)
    }

    async fn pause(&self, queue: &QueueName, until: Timestamp) -> Result<(), TransportError> {
        let (mut state, now) = self.shared.state();
        state.existing_queue(queue)?.paused_until = (until > now).then_some(until);
        drop(state);
        self.shared.settled.notify_waiters();
        Ok(())
    }

    async fn resume(&self, queue: &QueueName) -> Result<(), TransportError> {
        self.shared.state().0.existing_queue(queue)?.paused_until = None;
        self.shared.changed.notify_waiters();
        Ok(())
    }

    async fn set_limit(
        &self,
        queue: &QueueName,
        limit: Option<NonZeroU64>,
    ) -> Result<(), TransportError> {
        self.shared.state().0.existing_queue(queue)?.limit = limit.map(NonZeroU64::get);
        self.shared.changed.notify_waiters();
        Ok(())
    }

    async fn set_bound(&self, queue: &QueueName, bound: QueueBound) -> Result<(), TransportError> {
        self.shared.state().0.existing_queue(queue)?.bound = bound;
        Ok(())
    }

    async fn purge(&self, queue: &QueueName) -> Result<u64, TransportError> {
        let (mut state, now) = self.shared.state();
        let purged = state.existing_queue(queue)?.purge(now);
        drop(state);
        self.shared.settled.notify_waiters();
        Ok(purged)
    }

    async fn note_purge(&self, key: &JobKey) -> Result<(), TransportError> {
        let (mut state, now) = self.shared.state();
        let queue = state.queue(&key.queue);
        queue.log.dedup.forget(key.id.as_str());
        queue.purges.note_job(key.id.clone(), now);
        Ok(())
    }

    async fn signal(&self, signal: &Signal) -> Result<(), TransportError> {
        // An error means that no listener is connected. That is allowed.
        let _ = self.shared.signals.send(signal.clone());
        Ok(())
    }

    async fn signals(&self) -> Result<Box<dyn Signals>, TransportError> {
        Ok(Box::new(MemorySignals(self.shared.signals.subscribe())))
    }
}

struct MemorySignals(broadcast::Receiver<Signal>);

#[async_trait]
impl Signals for MemorySignals {
    async fn next(&mut self) -> Option<Signal> {
        loop {
            match self.0.recv().await {
                Ok(signal) => return Some(signal),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl fmt::Debug for MemorySignals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemorySignals")
    }
}
