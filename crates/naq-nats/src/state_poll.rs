//! Watches a part of the state store by reading it again and again, for a user who may not create
//! consumers. A change is seen up to [`POLL`] later, and costs one request a second.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use naq_core::SystemClock;
use naq_core::clock::{Clock, Timer};
use naq_core::transport::{StateChange, StateEntry, StateKey, StateWatch, TransportError};

use crate::api::Api;
use crate::subjects::StatePart;

/// How long after a read the next one begins.
const POLL: Duration = Duration::from_secs(1);
/// How many entries one request reads.
const PAGE: usize = 500;

/// The entries that the last read found, and the changes that the caller has not taken yet.
pub(crate) struct PolledStateWatch {
    api: Arc<Api>,
    prefix: StateKey,
    known: Known,
    ready: VecDeque<StateChange>,
}

/// The revision of each entry that was reported.
#[derive(Debug, Default)]
struct Known(HashMap<StateKey, u64>);

impl Known {
    /// What has changed since the last read. `found` are all entries of this read.
    fn changes(&mut self, found: Vec<StateEntry>) -> Vec<StateChange> {
        let there: HashSet<&StateKey> = found.iter().map(|entry| &entry.key).collect();
        let gone = self.0.keys().filter(|key| !there.contains(key)).cloned();
        let mut changes: Vec<_> = gone.map(|key| StateChange { key, entry: None }).collect();
        for change in &changes {
            self.0.remove(&change.key);
        }
        for entry in found {
            if self.0.insert(entry.key.clone(), entry.revision) != Some(entry.revision) {
                changes.push(StateChange { key: entry.key.clone(), entry: Some(entry) });
            }
        }
        changes
    }
}

impl PolledStateWatch {
    /// Reads once, so that a user without the right to read gets the error now.
    pub(crate) async fn begin(api: &Arc<Api>, prefix: &StateKey) -> Result<Self, TransportError> {
        let (api, prefix) = (Arc::clone(api), prefix.clone());
        let mut watch = Self { api, prefix, known: Known::default(), ready: VecDeque::new() };
        watch.read().await?;
        Ok(watch)
    }

    async fn read(&mut self) -> Result<(), TransportError> {
        let stream = self.api.subjects.state_stream(StatePart::of(&self.prefix));
        let subject = self.api.subjects.states(&self.prefix);
        // An entry that is stored again between two pages is found twice. The later revision counts.
        let mut found = HashMap::new();
        let mut from = Some(1);
        while let Some(seq) = from {
            let batch = self.api.next_of(&stream, &subject, seq, PAGE).await?;
            let last = batch.messages.last().filter(|_| batch.left > 0);
            from = last.map(|last| last.seq + 1);
            let entries = batch.messages.iter().map(|it| (it.subject.clone(), self.api.entry(it)));
            found.extend(entries);
        }
        self.ready.extend(self.known.changes(found.into_values().flatten().collect()));
        Ok(())
    }
}

#[async_trait]
impl StateWatch for PolledStateWatch {
    async fn next(&mut self) -> Option<StateChange> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Some(change);
            }
            SystemClock.sleep_until(SystemClock.now() + POLL).await;
            self.read().await.ok()?;
        }
    }
}

impl fmt::Debug for PolledStateWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolledStateWatch").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use naq_core::Timestamp;

    use super::*;

    fn entry(key: &str, revision: u64) -> StateEntry {
        let key = StateKey::new(["pause", key]).expect("a key");
        StateEntry { key, revision, stored_at: Timestamp::from_millis(0), value: "x".into() }
    }

    fn told(known: &mut Known, found: &[(&str, u64)]) -> Vec<String> {
        let found = found.iter().map(|(key, revision)| entry(key, *revision)).collect();
        let text = |it: &StateChange| {
            let revision = it.entry.as_ref().map_or("gone".into(), |it| it.revision.to_string());
            format!("{} {revision}", it.key)
        };
        known.changes(found).iter().map(text).collect()
    }

    #[test]
    fn a_read_reports_only_what_is_new_changed_or_gone() {
        let mut known = Known::default();
        assert_eq!(told(&mut known, &[("a", 1), ("b", 2)]), ["pause.a 1", "pause.b 2"]);
        assert_eq!(told(&mut known, &[("a", 1), ("b", 2)]), [""; 0]);
        assert_eq!(told(&mut known, &[("a", 5)]), ["pause.b gone", "pause.a 5"]);
        assert_eq!(told(&mut known, &[("b", 6)]), ["pause.a gone", "pause.b 6"]);
    }
}
