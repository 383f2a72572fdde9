//! What a test looks at: everything that was enqueued and settled, what waits, and when there is
//! nothing left to do.

use naq_core::clock::Timestamp;
use naq_core::transport::{Fact, Place, Receipt, Stored, Submission, TransportError, Written};

use crate::state::State;
use crate::transport::MemoryTransport;

/// Something that the broker has stored.
#[derive(Debug, Clone, PartialEq)]
pub enum JournalEntry {
    /// A job came, or came back from the dead letter queue.
    Enqueued(Timestamp, Submission),
    /// An attempt was settled.
    Settled(Timestamp, Fact),
}

impl State {
    pub(crate) fn publish_noted(
        &mut self,
        job: Submission,
        now: Timestamp,
    ) -> Result<Receipt, TransportError> {
        let noted = self.journal.is_some().then(|| JournalEntry::Enqueued(now, job.clone()));
        let receipt = self.publish(job, now)?;
        self.note(noted.filter(|_| receipt != Receipt::Duplicate));
        Ok(receipt)
    }

    pub(crate) fn write_noted(
        &mut self,
        fact: &Fact,
        now: Timestamp,
    ) -> Result<Written, TransportError> {
        let written = self.write(fact, now)?;
        let stored = matches!(written, Written::Stored | Written::Awaited);
        let noted = || JournalEntry::Settled(now, fact.clone());
        self.note((stored && self.journal.is_some()).then(noted));
        Ok(written)
    }

    fn note(&mut self, entry: Option<JournalEntry>) {
        if let Some(journal) = &mut self.journal {
            journal.extend(entry);
        }
    }
}

impl MemoryTransport {
    /// Keeps a journal from now on. It grows for as long as the transport lives: for tests.
    #[must_use]
    pub fn with_journal(self) -> Self {
        self.shared.state().0.journal.get_or_insert_default();
        self
    }

    /// What was stored since [`with_journal`](Self::with_journal), oldest first.
    pub fn journal(&self) -> Vec<JournalEntry> {
        self.shared.state().0.journal.clone().unwrap_or_default()
    }

    /// The jobs that wait for their time, the next one first.
    pub fn waiting(&self) -> Vec<Stored> {
        let (state, _) = self.shared.state();
        let all = state.queues.values().flat_map(|queue| queue.log.from(0));
        let mut waiting: Vec<_> =
            all.filter(|stored| stored.place == Place::Schedule).cloned().collect();
        waiting.sort_by_key(|stored| (stored.due_at, stored.seq));
        waiting
    }

    /// Returns when `done` holds, which is asked now and whenever a job has left a queue.
    pub async fn until(&self, mut done: impl FnMut() -> bool) {
        loop {
            let mut settled = std::pin::pin!(self.shared.settled.notified());
            // From here on nothing is missed.
            settled.as_mut().enable();
            if done() {
                return;
            }
            settled.await;
        }
    }
}
