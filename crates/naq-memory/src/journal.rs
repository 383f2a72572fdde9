//! For tests: the list of everything that was enqueued and settled, the waiting jobs, and a way to
//! wait until the queues are empty.

use naq_core::clock::Timestamp;
use naq_core::transport::{Fact, Place, Receipt, Stored, Submission, TransportError, Written};

use crate::broker_state::BrokerState;
use crate::transport::MemoryTransport;

/// One message that the broker has stored.
#[derive(Debug, Clone, PartialEq)]
pub enum JournalEntry {
    /// A job was enqueued or requeued.
    Enqueued(Timestamp, Submission),
    /// A delivery was settled.
    Settled(Timestamp, Fact),
}

impl BrokerState {
    pub(crate) fn publish_and_log(
        &mut self,
        job: Submission,
        now: Timestamp,
    ) -> Result<Receipt, TransportError> {
        let entry = self.journal.is_some().then(|| JournalEntry::Enqueued(now, job.clone()));
        let receipt = self.publish(job, now)?;
        self.add_to_journal(entry.filter(|_| receipt != Receipt::Duplicate));
        Ok(receipt)
    }

    pub(crate) fn write_and_log(
        &mut self,
        fact: &Fact,
        now: Timestamp,
    ) -> Result<Written, TransportError> {
        let written = self.write(fact, now)?;
        let stored = matches!(written, Written::Stored | Written::Awaited);
        let entry = || JournalEntry::Settled(now, fact.clone());
        self.add_to_journal((stored && self.journal.is_some()).then(entry));
        Ok(written)
    }

    fn add_to_journal(&mut self, entry: Option<JournalEntry>) {
        if let Some(journal) = &mut self.journal {
            journal.extend(entry);
        }
    }
}

impl MemoryTransport {
    /// Starts a journal. It grows for as long as the transport lives, so use it in tests only.
    #[must_use]
    pub fn with_journal(self) -> Self {
        self.shared.state().0.journal.get_or_insert_default();
        self
    }

    /// Everything stored since [`with_journal`](Self::with_journal), oldest first.
    pub fn journal(&self) -> Vec<JournalEntry> {
        self.shared.state().0.journal.clone().unwrap_or_default()
    }

    /// The jobs that are not due yet, in the order of their due times.
    pub fn waiting(&self) -> Vec<Stored> {
        let (state, _) = self.shared.state();
        let all = state.queues.values().flat_map(|queue| queue.log.from(0));
        let mut waiting: Vec<_> =
            all.filter(|stored| stored.place == Place::Schedule).cloned().collect();
        waiting.sort_by_key(|stored| (stored.due_at, stored.seq));
        waiting
    }

    /// Returns when `done` returns true. Calls it at once, and again each time a job has left a queue.
    pub async fn until(&self, mut done: impl FnMut() -> bool) {
        loop {
            let mut settled = std::pin::pin!(self.shared.settled.notified());
            // From here on this future sees every notification.
            settled.as_mut().enable();
            if done() {
                return;
            }
            settled.await;
        }
    }
}
