//! [`UnreadableMessages`]: the stored messages that async-nats cannot parse, as far as this process knows.
//! A read that would bring one of them goes another way, so that it costs the connection once only.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeBounds;
use std::sync::Mutex;

use naq_core::sync::lock;

/// The most messages that are remembered of one stream.
const MAX: usize = 10_000;

/// By stream, the sequences and subjects of unreadable messages.
#[derive(Debug, Default)]
pub(crate) struct UnreadableMessages(Mutex<HashMap<String, BTreeMap<u64, String>>>);

impl UnreadableMessages {
    /// Adds a message. True if it was not known.
    pub(crate) fn add(&self, stream: &str, seq: u64, subject: &str) -> bool {
        let mut streams = lock(&self.0);
        let known = streams.entry(stream.to_owned()).or_default();
        if known.len() == MAX && !known.contains_key(&seq) {
            known.pop_first();
        }
        known.insert(seq, subject.to_owned()).is_none()
    }

    /// The message is not in the stream any more, or can be read.
    pub(crate) fn forget(&self, stream: &str, seq: u64) {
        if let Some(known) = lock(&self.0).get_mut(stream) {
            known.remove(&seq);
        }
    }

    /// Whether a read of this range of the stream brings an unreadable message.
    pub(crate) fn any_in(&self, stream: &str, range: impl RangeBounds<u64>) -> bool {
        lock(&self.0).get(stream).is_some_and(|known| known.range(range).next().is_some())
    }

    /// A read of this range brought `found`, all messages on this subject, which may contain wildcards.
    /// Others that were there are gone.
    pub(crate) fn keep(
        &self,
        stream: &str,
        range: impl RangeBounds<u64>,
        subject: &str,
        found: &[u64],
    ) {
        if let Some(known) = lock(&self.0).get_mut(stream) {
            known.retain(|seq, it| {
                !range.contains(seq) || !matches(subject, it) || found.contains(seq)
            });
        }
    }

    /// Whether the last message on one of these subjects may be unreadable. A subject may contain
    /// wildcards.
    pub(crate) fn any_on(&self, stream: &str, subjects: &[String]) -> bool {
        lock(&self.0).get(stream).is_some_and(|known| {
            known.values().any(|known| subjects.iter().any(|subject| matches(subject, known)))
        })
    }
}

/// Whether a subject with or without wildcards covers `subject`.
fn matches(pattern: &str, subject: &str) -> bool {
    let mut subject = subject.split('.');
    for token in pattern.split('.') {
        match (token, subject.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (token, Some(found)) if token == found => {}
            _ => return false,
        }
    }
    subject.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_until_it_is_forgotten() {
        let messages = UnreadableMessages::default();
        assert!(messages.add("S", 5, "naq.q.a.5") && !messages.add("S", 5, "naq.q.a.5"));
        assert!(messages.any_in("S", 1..) && messages.any_in("S", 5..=5));
        assert!(!messages.any_in("S", 6..) && !messages.any_in("T", 1..));
        let on = |subject: &str| messages.any_on("S", &[subject.to_owned()]);
        assert!(on("naq.q.a.5") && on("naq.q.*.5") && on("naq.q.>"));
        assert!(!on("naq.q.a.7") && !on("naq.q.*.7") && !on("naq.q.a") && !on("naq.q.a.5.>"));
        messages.keep("S", 1.., "naq.q.b.>", &[]);
        messages.keep("S", 6.., "naq.q.>", &[]);
        messages.keep("S", 1.., "naq.q.>", &[5]);
        assert!(messages.any_in("S", 1..));
        messages.keep("S", 1.., "naq.q.>", &[]);
        assert!(!messages.any_in("S", 1..) && !on("naq.q.>"));
    }

    #[test]
    fn the_oldest_are_forgotten_when_there_are_too_many() {
        let messages = UnreadableMessages::default();
        for seq in 0..=MAX as u64 {
            messages.add("S", seq, "s");
        }
        assert!(!messages.any_in("S", 0..=0) && messages.any_in("S", MAX as u64..));
    }
}
