//! The slots of a key, and those of them that this worker's jobs hold.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use naq_core::flow::{Holder, LimitKeys, Slot, choose};
use naq_core::transport::{
    Expect, JobKey, Saved, StateEntry, StateKey, Stored, Transport, TransportError,
};
use naq_core::{Envelope, Timer, WorkerId};
use tokio::sync::Notify;

use super::key_of;

/// Races for a slot that are lost before the job waits.
const TRIES: usize = 5;
/// How long a free slot is remembered.
const FREE_FOR: Duration = Duration::from_secs(60);
/// Slots that are looked at before all of them are.
const SOME: u32 = 16;
/// Renewals under way at once.
const AT_ONCE: usize = 32;

#[derive(Debug)]
pub(super) struct Slots {
    transport: Arc<dyn Transport>,
    timer: Arc<dyn Timer>,
    worker: WorkerId,
    /// How long a slot is kept unless it is renewed.
    pub(super) ttl: Duration,
    held: Mutex<Vec<Arc<Held>>>,
    taken: Notify,
}

/// A slot that a job of ours is in.
#[derive(Debug)]
struct Held {
    key: String,
    slot: StateKey,
    value: Slot,
    /// Of the entry. Locked while it is renewed.
    revision: tokio::sync::Mutex<u64>,
}

impl Held {
    fn is_of(&self, job: &JobKey, delivery: (u64, u32)) -> bool {
        let holder = self.value.holder.as_ref();
        self.value.delivery == Some(delivery) && holder.is_some_and(|h| h.job == *job)
    }
}

impl Slots {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        timer: Arc<dyn Timer>,
        worker: WorkerId,
        ttl: Duration,
    ) -> Self {
        Self { transport, timer, worker, ttl, held: Mutex::default(), taken: Notify::new() }
    }

    /// Takes a slot of `of`; the job's own where an earlier delivery of it left one behind. False
    /// when all are taken, or others are faster again and again.
    pub(super) async fn take(
        &self,
        job: &Envelope,
        stored: &Stored,
        key: &str,
        of: u32,
    ) -> Result<bool, TransportError> {
        let (me, nonce) = (key_of(job), job.nonce.as_str());
        let mut start = place(job) % of;
        // One that was handed out before may have left a slot behind, whichever.
        let mut look = if job.crashes > 0 { of } else { of.min(SOME) };
        let mut tries = 0;
        while tries < TRIES {
            let keys = keys(key, (0..look).map(|i| (start + i) % of))?;
            let entries = self.transport.state_get(&keys).await?;
            let slots: Vec<Slot> = entries.iter().map(read).collect();
            let i = match choose(&slots, &me, nonce) {
                Some(i) => i,
                None if look == of => return Ok(false),
                None => {
                    look = of;
                    continue;
                }
            };
            let holder =
                Holder { job: me.clone(), nonce: nonce.to_owned(), worker: self.worker.clone() };
            let value = Slot { of, holder: Some(holder), delivery: Some(delivery(job, stored)) };
            let expect =
                entries[i].as_ref().map_or(Expect::Absent, |e| Expect::Revision(e.revision));
            let put = self.transport.state_put(&keys[i], written(&value), expect, Some(self.ttl));
            if let Saved::Stored(revision) = put.await? {
                let (key, slot) = (key.to_owned(), keys[i].clone());
                let revision = tokio::sync::Mutex::new(revision);
                let mut held = self.held();
                // What an earlier delivery had of it, which may run here still, is this one's now.
                held.retain(|other| other.slot != slot);
                held.push(Arc::new(Held { key, slot, value, revision }));
                drop(held);
                self.taken.notify_one();
                return Ok(true);
            }
            start = (start + 1) % of;
            tries += 1;
        }
        Ok(false)
    }

    /// How many are free.
    pub(super) async fn count_free(&self, key: &str, of: u32) -> Result<usize, TransportError> {
        let entries = self.transport.state_get(&keys(key, 0..of)?).await?;
        Ok(entries.iter().filter(|entry| read(entry).holder.is_none()).count())
    }

    /// Frees all that this delivery holds; the keys of what is free now. What cannot be freed is when its
    /// time is up.
    pub(super) async fn free(&self, job: &Envelope, stored: &Stored) -> Vec<String> {
        let (me, delivery) = (key_of(job), delivery(job, stored));
        let mine: Vec<_> = self.held().extract_if(.., |held| held.is_of(&me, delivery)).collect();
        let mut freed = Vec::with_capacity(mine.len());
        for held in mine {
            match self.free_one(&held).await {
                Ok(true) => freed.push(held.key.clone()),
                Ok(false) => tracing::warn!(job = %me, "its slot of {:?} was lost", held.key),
                Err(err) => tracing::warn!(job = %me, "its slot of {:?} stays: {err}", held.key),
            }
        }
        freed
    }

    /// False when it is somebody else's by now.
    async fn free_one(&self, held: &Held) -> Result<bool, TransportError> {
        let mut revision = *held.revision.lock().await;
        loop {
            let value = written(&Slot { of: held.value.of, ..Slot::default() });
            let expect = Expect::Revision(revision);
            let put = self.transport.state_put(&held.slot, value, expect, Some(FREE_FOR));
            if let Saved::Stored(_) = put.await? {
                return Ok(true);
            }
            // A renewal whose answer was lost, or its time was up.
            let now = self.transport.state_get(std::slice::from_ref(&held.slot)).await?;
            match now.into_iter().next().flatten() {
                Some(e) if e.revision != revision && read_one(&e) == held.value => {
                    revision = e.revision;
                }
                _ => return Ok(false),
            }
        }
    }

    /// Renews what is held, for ever.
    pub(super) async fn keep(&self) {
        loop {
            if self.held().is_empty() {
                self.taken.notified().await;
            }
            let third = self.ttl / 3;
            self.timer.sleep_until(self.timer.now() + third).await;
            let held = self.held().clone();
            stream::iter(held).for_each_concurrent(AT_ONCE, |held| self.renew(held)).await;
        }
    }

    async fn renew(&self, held: Arc<Held>) {
        let mut revision = held.revision.lock().await;
        if !self.held().iter().any(|other| Arc::ptr_eq(other, &held)) {
            return;
        }
        let (value, expect) = (written(&held.value), Expect::Revision(*revision));
        match self.transport.state_put(&held.slot, value, expect, Some(self.ttl)).await {
            Ok(Saved::Stored(renewed)) => *revision = renewed,
            Ok(Saved::Conflict) => {
                // One whose answer was lost may have worked.
                let now = self.transport.state_get(std::slice::from_ref(&held.slot)).await;
                match now.map(|found| found.into_iter().next().flatten()) {
                    Ok(Some(e)) if read_one(&e) == held.value => *revision = e.revision,
                    // Its time was up while nothing could be renewed, and nobody has taken it.
                    Ok(None) => self.retake(&held, &mut revision).await,
                    Ok(_) => tracing::warn!("a slot of {:?} was lost to another", held.key),
                    Err(_) => {}
                }
            }
            Err(err) => tracing::debug!("a slot of {:?} is not renewed: {err}", held.key),
        }
    }

    async fn retake(&self, held: &Held, revision: &mut u64) {
        let (value, ttl) = (written(&held.value), Some(self.ttl));
        // What goes wrong shows when it is renewed next.
        let put = self.transport.state_put(&held.slot, value, Expect::Absent, ttl).await;
        if let Ok(Saved::Stored(taken)) = put {
            *revision = taken;
        }
    }

    fn held(&self) -> MutexGuard<'_, Vec<Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which delivery of its message this is: the broker may hand one out again while a handler that
/// heeds nothing runs on.
fn delivery(job: &Envelope, stored: &Stored) -> (u64, u32) {
    (stored.seq, job.crashes)
}

/// Where a job begins to look for a free slot: not all at the first.
fn place(job: &Envelope) -> u32 {
    let mut hasher = DefaultHasher::new();
    (&job.id, job.snoozes).hash(&mut hasher);
    (hasher.finish() % 1_000_000) as u32
}

fn keys(
    key: &str,
    numbers: impl IntoIterator<Item = u32>,
) -> Result<Vec<StateKey>, TransportError> {
    LimitKeys::new(key).and_then(|keys| keys.slots(numbers)).map_err(rejected)
}

/// A key that was checked when its job was read is never refused.
pub(super) fn rejected(err: impl std::fmt::Display) -> TransportError {
    TransportError::Rejected { what: "use a limit".into(), reason: err.to_string() }
}

fn read(entry: &Option<StateEntry>) -> Slot {
    entry.as_ref().map(read_one).unwrap_or_default()
}

/// What cannot be read is nobody's.
fn read_one(entry: &StateEntry) -> Slot {
    serde_json::from_slice(&entry.value).unwrap_or_default()
}

fn written(slot: &Slot) -> Bytes {
    serde_json::to_vec(slot).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use naq_client::Client;
    use naq_core::Clock;
    use naq_core::testing::ManualClock;
    use naq_core::transport::{Lookup, StateStore};
    use naq_memory::MemoryTransport;

    use super::*;

    const TTL: Duration = Duration::from_secs(30);

    async fn bench() -> (ManualClock, MemoryTransport, Slots, Envelope, Stored) {
        let clock = ManualClock::new();
        let timer: Arc<dyn Timer> = Arc::new(clock.clone());
        let broker = MemoryTransport::with_timer(timer.clone());
        let transport: Arc<dyn Transport> = Arc::new(broker.clone());
        let client = Client::new(transport.clone());
        let job = client.enqueue_task("t", &()).expect("a name");
        let job = job.concurrency_key("k", 1).await.expect("sent");
        let key = JobKey { queue: naq_core::QueueName::default(), id: job.id().clone() };
        let stored = broker.locate(&key).await.expect("an answer").remove(0);
        let job = stored.envelope().expect("readable");
        let slots = Slots::new(transport, timer, WorkerId::new("w").expect("an id"), TTL);
        (clock, broker, slots, job, stored)
    }

    #[tokio::test]
    async fn a_delivery_whose_lease_was_lost_does_not_free_the_slot_of_the_next_one() {
        let (_, _, slots, old, stored) = bench().await;
        let mut new = old.clone();
        new.crashes = 1;
        assert!(slots.take(&old, &stored, "k", 1).await.expect("an answer"));
        let early = slots.held().clone();
        assert!(slots.take(&new, &stored, "k", 1).await.expect("an answer"));
        assert_eq!(slots.free(&old, &stored).await, [""; 0]);
        // Not even when it was about to free it as the other took it.
        assert!(!slots.free_one(&early[0]).await.expect("an answer"));
        assert_eq!(slots.count_free("k", 1).await.expect("an answer"), 0);
        assert_eq!(slots.free(&new, &stored).await, ["k"]);
        assert_eq!(slots.count_free("k", 1).await.expect("an answer"), 1);
    }

    #[tokio::test]
    async fn a_slot_that_lapsed_while_its_job_ran_is_taken_again_when_it_is_renewed() {
        let (clock, broker, slots, job, stored) = bench().await;
        assert!(slots.take(&job, &stored, "k", 1).await.expect("an answer"));
        clock.advance(TTL * 2).await;
        let slot = keys("k", [0]).expect("a key");
        assert_eq!(broker.state_get(&slot).await.expect("an answer"), [None], "{}", clock.now());
        let held = slots.held()[0].clone();
        slots.renew(held).await;
        assert_eq!(slots.count_free("k", 1).await.expect("an answer"), 0);
        assert_eq!(slots.free(&job, &stored).await, ["k"]);
    }
}
