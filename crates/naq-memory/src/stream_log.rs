//! One stream: its messages by sequence and by subject, and its deduplication window.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use naq_core::clock::Timestamp;
use naq_core::transport::{JobKey, Place, Stored};
use naq_core::wire::WireMessage;

use crate::dedup::Dedup;

#[derive(Debug, Default)]
pub(crate) struct StreamLog {
    pub(crate) dedup: Dedup,
    last_seq: u64,
    bytes: usize,
    messages: BTreeMap<u64, Stored>,
    subjects: HashMap<(Place, JobKey), BTreeSet<u64>>,
}

impl StreamLog {
    /// Stores a message under the next sequence.
    pub(crate) fn append(
        &mut self,
        place: Place,
        key: JobKey,
        message: WireMessage,
        stored_at: Timestamp,
        due_at: Option<Timestamp>,
    ) -> u64 {
        self.last_seq += 1;
        let seq = self.last_seq;
        self.bytes += message.size();
        self.subjects.entry((place, key.clone())).or_default().insert(seq);
        let stored = Stored { key, place, seq, stored_at, due_at, delivered: false, message };
        self.messages.insert(seq, stored);
        seq
    }

    pub(crate) fn remove(&mut self, seq: u64) -> Option<Stored> {
        let stored = self.messages.remove(&seq)?;
        self.bytes -= stored.message.size();
        let subject = (stored.place, stored.key.clone());
        if let Some(seqs) = self.subjects.get_mut(&subject) {
            seqs.remove(&seq);
            if seqs.is_empty() {
                self.subjects.remove(&subject);
            }
        }
        Some(stored)
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Stored> {
        self.messages.get(&seq)
    }

    /// The last message on a subject.
    pub(crate) fn last(&self, place: Place, key: &JobKey) -> Option<&Stored> {
        let seqs = self.subjects.get(&(place, key.clone()))?;
        self.messages.get(seqs.last()?)
    }

    /// The sequences on a subject, up to and including `seq`.
    pub(crate) fn up_to(&self, place: Place, key: &JobKey, seq: u64) -> Vec<u64> {
        let seqs = self.subjects.get(&(place, key.clone()));
        seqs.map_or_else(Vec::new, |seqs| seqs.range(..=seq).copied().collect())
    }

    /// Messages from `seq` on, oldest first.
    pub(crate) fn from(&self, seq: u64) -> impl Iterator<Item = &Stored> {
        self.messages.range(seq..).map(|(_, stored)| stored)
    }

    /// Messages up to `seq`, newest first.
    pub(crate) fn back_from(&self, seq: u64) -> impl Iterator<Item = &Stored> {
        self.messages.range(..=seq).rev().map(|(_, stored)| stored)
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
