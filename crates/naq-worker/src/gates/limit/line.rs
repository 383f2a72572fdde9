//! The line of those who wait for a slot of a key, in the order in which they came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use naq_core::flow::{Holder, LimitKeys};
use naq_core::retry::Rule;
use naq_core::transport::{
    Expect, JobKey, Place, Saved, StateEntry, StateKey, Stored, Transport, TransportError,
};
use naq_core::wire::AttemptOutcome;
use naq_core::{Envelope, Timestamp, WorkerId};

use super::key_of;
use super::slots::rejected;

/// How long a place in the line is kept; a job that waits longer goes to its end.
const PLACE: Duration = Duration::from_secs(24 * 3600);
/// Places of jobs that are gone, which one look clears away at most.
const CLEARED: usize = 100;
/// Entries read at once where only marks of what was removed are left.
const PAGE: usize = 64;
/// Keys for which it is remembered where their line begins.
const KEYS: usize = 10_000;

#[derive(Debug)]
pub(super) struct Line {
    transport: Arc<dyn Transport>,
    worker: WorkerId,
    /// Before this revision there is nobody any more.
    begins: Mutex<HashMap<String, u64>>,
}

impl Line {
    pub(super) fn new(transport: Arc<dyn Transport>, worker: WorkerId) -> Self {
        Self { transport, worker, begins: Mutex::default() }
    }

    /// About how many stand in it.
    pub(super) async fn len(&self, key: &str) -> Result<u64, TransportError> {
        let page = self.transport.state_list(&line(key)?, self.begin(key), 1).await?;
        Ok(page.entries.len() as u64 + page.left)
    }

    /// Puts the job at its end; one that is in it already keeps its place.
    pub(super) async fn join(&self, key: &str, job: &Envelope) -> Result<(), TransportError> {
        let (me, nonce) = (key_of(job), job.nonce.to_string());
        let place = place(key, &me)?;
        let me = Holder { job: me, nonce, worker: self.worker.clone() };
        let value = serde_json::to_vec(&me).map_err(rejected)?.into();
        let put = self.transport.state_put(&place, value, Expect::Absent, Some(PLACE)).await?;
        if let Saved::Stored(revision) = put
            && revision < self.begin(key)
        {
            // The store is another one, and counts anew.
            self.begins_at(key, 0);
        }
        Ok(())
    }

    /// Whether nobody is before the job.
    pub(super) async fn is_first(&self, key: &str, job: &Envelope) -> Result<bool, TransportError> {
        let first = self.first(key).await?;
        Ok(first.is_none_or(|first| place(key, &key_of(job)).is_ok_and(|mine| mine == first.key)))
    }

    /// Makes the first in it due, and takes it out. Those who wait no longer are passed over.
    /// False when there was nobody.
    pub(super) async fn wake(&self, key: &str) -> Result<bool, TransportError> {
        for _ in 0..CLEARED {
            let Some(first) = self.first(key).await? else { return Ok(false) };
            // Whoever takes the place out is the one to release the job.
            let expect = Expect::Revision(first.revision);
            if self.transport.state_remove(&first.key, expect).await? == Saved::Conflict {
                continue;
            }
            let Ok(holder) = serde_json::from_slice::<Holder>(&first.value) else { continue };
            if self.release(&holder.job, &holder.nonce).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes the job due if a limit holds it back.
    async fn release(&self, job: &JobKey, nonce: &str) -> Result<bool, TransportError> {
        let found = self.transport.locate(job).await?;
        match found.iter().find(|stored| waits(stored, nonce)) {
            Some(stored) => self.transport.release(stored).await,
            None => Ok(false),
        }
    }

    /// The first in the line.
    async fn first(&self, key: &str) -> Result<Option<StateEntry>, TransportError> {
        let line = line(key)?;
        let (mut from, mut limit) = (self.begin(key), 1);
        loop {
            let mut page = self.transport.state_list(&line, from, limit).await?;
            if !page.entries.is_empty() {
                return Ok(Some(page.entries.swap_remove(0)));
            }
            let Some(next) = page.next else { return Ok(None) };
            self.begins_at(key, next);
            (from, limit) = (next, PAGE);
        }
    }

    fn begin(&self, key: &str) -> u64 {
        let begins = self.begins.lock().unwrap_or_else(PoisonError::into_inner);
        begins.get(key).copied().unwrap_or(0)
    }

    fn begins_at(&self, key: &str, revision: u64) {
        let mut begins = self.begins.lock().unwrap_or_else(PoisonError::into_inner);
        if begins.len() >= KEYS {
            begins.clear();
        }
        begins.insert(key.to_owned(), revision);
    }
}

fn place(key: &str, job: &JobKey) -> Result<StateKey, TransportError> {
    LimitKeys::new(key).and_then(|keys| keys.place(job)).map_err(rejected)
}

fn line(key: &str) -> Result<StateKey, TransportError> {
    LimitKeys::new(key).and_then(|keys| keys.line()).map_err(rejected)
}

/// Whether this is a job of that life which waits for a slot: neither for the time of its retry, nor
/// for a start that a rate gave it.
fn waits(stored: &Stored, nonce: &str) -> bool {
    if stored.place != Place::Schedule {
        return false;
    }
    let Ok(job) = stored.envelope() else { return false };
    let held = job.history.last().is_some_and(|record| {
        record.outcome == AttemptOutcome::HeldBack && record.rule == Some(Rule::Limit)
    });
    let due: Option<Timestamp> = stored.due_at;
    let for_a_start =
        job.limits.iter().any(|limit| limit.reserved.is_some() && limit.reserved == due);
    job.nonce.as_str() == nonce && held && !for_a_start
}

#[cfg(test)]
mod tests {
    use naq_client::Client;
    use naq_memory::MemoryTransport;

    use super::*;

    #[tokio::test]
    async fn a_line_is_found_again_in_a_store_that_counts_anew() {
        let transport: Arc<dyn Transport> = Arc::new(MemoryTransport::new());
        let client = Client::new(transport.clone());
        let job = client.enqueue_task("t", &()).expect("a name");
        let job = job.concurrency_key("k", 1).await.expect("sent");
        let key = JobKey { queue: naq_core::QueueName::default(), id: job.id().clone() };
        let stored = transport.locate(&key).await.expect("an answer").remove(0);
        let job = stored.envelope().expect("readable");
        let line = Line::new(transport, WorkerId::new("w").expect("an id"));
        line.begins_at("k", 1_000_000);
        line.join("k", &job).await.expect("in line");
        assert_eq!(line.len("k").await.expect("an answer"), 1);
        assert!(line.first("k").await.expect("an answer").is_some());
    }
}
