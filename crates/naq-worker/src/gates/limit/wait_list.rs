//! [`WaitList`]: the jobs that wait for a limit slot, oldest first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_core::flow::{Holder, LimitKeys};
use naq_core::retry::Rule;
use naq_core::sync::lock;
use naq_core::transport::{
    Expect, JobKey, Place, Saved, StateEntry, StateKey, Stored, Transport, TransportError,
};
use naq_core::wire::AttemptOutcome;
use naq_core::{Envelope, Timestamp, WorkerId};

use super::keys::rejected;
use crate::gates::job_key::job_key;

/// The time to live of an entry. A job that waits longer goes to the end of the list.
const TTL: Duration = Duration::from_secs(24 * 3600);
/// How many entries of jobs that no longer wait are removed at once.
const MAX_CLEARED: usize = 100;
/// How many entries to read at once after a read that found only tombstones.
const PAGE: usize = 64;
/// The number of keys whose first revision is remembered.
const KEYS: usize = 10_000;

#[derive(Debug)]
pub(super) struct WaitList {
    transport: Arc<dyn Transport>,
    worker: WorkerId,
    /// By key: all entries before this revision are removed.
    first_revision: Mutex<HashMap<String, u64>>,
}

impl WaitList {
    pub(super) fn new(transport: Arc<dyn Transport>, worker: WorkerId) -> Self {
        Self { transport, worker, first_revision: Mutex::default() }
    }

    /// About how many jobs wait.
    pub(super) async fn len(&self, key: &str) -> Result<u64, TransportError> {
        let page =
            self.transport.state_list(&wait_prefix(key)?, self.first_revision_of(key), 1).await?;
        Ok(page.entries.len() as u64 + page.left)
    }

    /// Adds the job at the end. A job that is in the list keeps its entry.
    pub(super) async fn join(&self, key: &str, job: &Envelope) -> Result<(), TransportError> {
        let job_key = job_key(job);
        let entry = wait_key(key, &job_key)?;
        let nonce = job.nonce.to_string();
        let holder = Holder { job: job_key, nonce, worker: self.worker.clone() };
        let value = serde_json::to_vec(&holder).map_err(rejected)?.into();
        let put = self.transport.state_put(&entry, value, Expect::Absent, Some(TTL)).await?;
        if let Saved::Stored(revision) = put
            && revision < self.first_revision_of(key)
        {
            // The state store was replaced, and its revisions begin at 1 again.
            self.set_first_revision(key, 0);
        }
        Ok(())
    }

    /// Whether no other job is before this one.
    pub(super) async fn is_first(&self, key: &str, job: &Envelope) -> Result<bool, TransportError> {
        let first = self.first(key).await?;
        Ok(first
            .is_none_or(|first| wait_key(key, &job_key(job)).is_ok_and(|mine| mine == first.key)))
    }

    /// Releases the first job that still waits, and removes it from the list. False when no job
    /// waits.
    pub(super) async fn release_next(&self, key: &str) -> Result<bool, TransportError> {
        for _ in 0..MAX_CLEARED {
            let Some(first) = self.first(key).await? else { return Ok(false) };
            // The worker that removes the entry releases the job.
            let expect = Expect::Revision(first.revision);
            if self.transport.state_remove(&first.key, expect).await? == Saved::Conflict {
                continue;
            }
            let Ok(holder) = serde_json::from_slice::<Holder>(&first.value) else { continue };
            if self.release_job(&holder.job, &holder.nonce).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes the job due, if a limit holds it back.
    async fn release_job(&self, job: &JobKey, nonce: &str) -> Result<bool, TransportError> {
        let found = self.transport.locate(job).await?;
        match found.iter().find(|stored| is_waiting(stored, nonce)) {
            Some(stored) => self.transport.release(stored).await,
            None => Ok(false),
        }
    }

    /// The first in the list.
    async fn first(&self, key: &str) -> Result<Option<StateEntry>, TransportError> {
        let list = wait_prefix(key)?;
        let (mut from, mut limit) = (self.first_revision_of(key), 1);
        loop {
            let mut page = self.transport.state_list(&list, from, limit).await?;
            if !page.entries.is_empty() {
                return Ok(Some(page.entries.swap_remove(0)));
            }
            let Some(next) = page.next else { return Ok(None) };
            self.set_first_revision(key, next);
            (from, limit) = (next, PAGE);
        }
    }

    fn first_revision_of(&self, key: &str) -> u64 {
        let first_revision = lock(&self.first_revision);
        first_revision.get(key).copied().unwrap_or(0)
    }

    fn set_first_revision(&self, key: &str, revision: u64) {
        let mut first_revision = lock(&self.first_revision);
        if first_revision.len() >= KEYS {
            first_revision.clear();
        }
        first_revision.insert(key.to_owned(), revision);
    }
}

fn wait_key(key: &str, job: &JobKey) -> Result<StateKey, TransportError> {
    LimitKeys::new(key).and_then(|keys| keys.place(job)).map_err(rejected)
}

fn wait_prefix(key: &str) -> Result<StateKey, TransportError> {
    LimitKeys::new(key).and_then(|keys| keys.line()).map_err(rejected)
}

/// Whether the job has this nonce and waits for a limit slot: not for a retry, and not for a start
/// that a rate gave it.
fn is_waiting(stored: &Stored, nonce: &str) -> bool {
    if stored.place != Place::Schedule {
        return false;
    }
    let Ok(job) = stored.envelope() else { return false };
    let held_back = job.history.last().is_some_and(|record| {
        record.outcome == AttemptOutcome::HeldBack && record.rule == Some(Rule::Limit)
    });
    let due: Option<Timestamp> = stored.due_at;
    let waits_for_start =
        job.limits.iter().any(|limit| limit.reserved.is_some() && limit.reserved == due);
    job.nonce.as_str() == nonce && held_back && !waits_for_start
}

#[cfg(test)]
mod tests {
    use naq_client::Client;
    use naq_memory::MemoryTransport;

    use super::*;

    #[tokio::test]
    async fn a_wait_list_is_found_in_a_state_store_that_was_replaced() {
        let transport: Arc<dyn Transport> = Arc::new(MemoryTransport::new());
        let client = Client::new(transport.clone());
        let job = client.enqueue_task("t", &()).expect("a name");
        let job = job.concurrency_key("k", 1).await.expect("sent");
        let key: JobKey = job.id().as_str().parse().expect("a key");
        let stored = transport.locate(&key).await.expect("an answer").remove(0);
        let job = stored.envelope().expect("readable");
        let list = WaitList::new(transport, WorkerId::new("w").expect("an id"));
        list.set_first_revision("k", 1_000_000);
        list.join("k", &job).await.expect("joins");
        assert_eq!(list.len("k").await.expect("an answer"), 1);
        assert!(list.first("k").await.expect("an answer").is_some());
    }
}
