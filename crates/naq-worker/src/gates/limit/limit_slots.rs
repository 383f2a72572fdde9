//! [`LimitSlots`]: the limit slots that the jobs of this worker hold.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use naq_core::flow::{Holder, LimitKeys, Slot, choose};
use naq_core::sync::lock;
use naq_core::transport::{
    Expect, JobKey, Saved, StateEntry, StateKey, Stored, Transport, TransportError,
};
use naq_core::{Envelope, Timer, WorkerId};
use tokio::sync::Notify;

use super::keys::rejected;
use crate::gates::job_key::job_key;

/// How often a job may lose a slot to a faster worker. Then the job is held back.
const TRIES: usize = 5;
/// The time to live of the entry of a free slot.
const FREE_FOR: Duration = Duration::from_secs(60);
/// How many slots a job reads before it reads all of them.
const FIRST_READ: u32 = 16;
/// Renewals in flight at once.
const AT_ONCE: usize = 32;

#[derive(Debug)]
pub(super) struct LimitSlots {
    transport: Arc<dyn Transport>,
    timer: Arc<dyn Timer>,
    worker: WorkerId,
    /// How long a slot stays taken without a renewal.
    pub(super) ttl: Duration,
    taken: Mutex<Vec<Arc<TakenSlot>>>,
    slot_taken: Notify,
}

/// A slot that a job of this worker holds.
#[derive(Debug)]
struct TakenSlot {
    key: String,
    slot: StateKey,
    value: Slot,
    /// The entry's revision. Locked during a renewal.
    revision: tokio::sync::Mutex<u64>,
}

impl TakenSlot {
    fn is_of(&self, job: &JobKey, delivery: (u64, u32)) -> bool {
        let holder = self.value.holder.as_ref();
        self.value.delivery == Some(delivery) && holder.is_some_and(|h| h.job == *job)
    }
}

impl LimitSlots {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        timer: Arc<dyn Timer>,
        worker: WorkerId,
        ttl: Duration,
    ) -> Self {
        Self { transport, timer, worker, ttl, taken: Mutex::default(), slot_taken: Notify::new() }
    }

    /// Takes one of the key's `of` slots. If an earlier delivery of the job left its slot behind,
    /// takes that one. False when all slots are taken, or other workers were faster each time.
    pub(super) async fn take(
        &self,
        job: &Envelope,
        stored: &Stored,
        key: &str,
        of: u32,
    ) -> Result<bool, TransportError> {
        let (me, nonce) = (job_key(job), job.nonce.as_str());
        let mut start = first_index(job) % of;
        // An earlier delivery of the job may have left any slot behind.
        let mut count = if job.crashes > 0 { of } else { of.min(FIRST_READ) };
        let mut tries = 0;
        while tries < TRIES {
            let keys = keys(key, (0..count).map(|i| (start + i) % of))?;
            let entries = self.transport.state_get(&keys).await?;
            let slots: Vec<Slot> = entries.iter().map(read).collect();
            let i = match choose(&slots, &me, nonce) {
                Some(i) => i,
                None if count == of => return Ok(false),
                None => {
                    count = of;
                    continue;
                }
            };
            let holder =
                Holder { job: me.clone(), nonce: nonce.to_owned(), worker: self.worker.clone() };
            let value = Slot { of, holder: Some(holder), delivery: Some(delivery_id(job, stored)) };
            let expect =
                entries[i].as_ref().map_or(Expect::Absent, |e| Expect::Revision(e.revision));
            let put = self.transport.state_put(&keys[i], written(&value), expect, Some(self.ttl));
            if let Saved::Stored(revision) = put.await? {
                let (key, slot) = (key.to_owned(), keys[i].clone());
                let revision = tokio::sync::Mutex::new(revision);
                let mut taken = self.taken();
                // A slot of an earlier delivery, which may still run here, now belongs to this one.
                taken.retain(|other| other.slot != slot);
                taken.push(Arc::new(TakenSlot { key, slot, value, revision }));
                drop(taken);
                self.slot_taken.notify_one();
                return Ok(true);
            }
            start = (start + 1) % of;
            tries += 1;
        }
        Ok(false)
    }

    /// The number of free slots.
    pub(super) async fn count_free(&self, key: &str, of: u32) -> Result<usize, TransportError> {
        let entries = self.transport.state_get(&keys(key, 0..of)?).await?;
        Ok(entries.iter().filter(|entry| read(entry).holder.is_none()).count())
    }

    /// Frees all slots that this delivery holds. Returns their keys. A slot that cannot be freed
    /// now expires.
    pub(super) async fn free(&self, job: &Envelope, stored: &Stored) -> Vec<String> {
        let (me, delivery) = (job_key(job), delivery_id(job, stored));
        let mine: Vec<_> =
            self.taken().extract_if(.., |taken| taken.is_of(&me, delivery)).collect();
        let mut freed = Vec::with_capacity(mine.len());
        for taken in mine {
            match self.free_one(&taken).await {
                Ok(true) => freed.push(taken.key.clone()),
                Ok(false) => {
                    tracing::warn!(job = %me, "its slot of limit {:?} was lost", taken.key)
                }
                Err(err) => {
                    tracing::warn!(job = %me, "its slot of limit {:?} is not freed, and expires: {err}", taken.key)
                }
            }
        }
        freed
    }

    /// False when another job has the slot.
    async fn free_one(&self, taken: &TakenSlot) -> Result<bool, TransportError> {
        let mut revision = *taken.revision.lock().await;
        loop {
            let value = written(&Slot { of: taken.value.of, ..Slot::default() });
            let expect = Expect::Revision(revision);
            let put = self.transport.state_put(&taken.slot, value, expect, Some(FREE_FOR));
            if let Saved::Stored(_) = put.await? {
                return Ok(true);
            }
            // The answer to a renewal was lost, or the slot expired.
            let now = self.transport.state_get(std::slice::from_ref(&taken.slot)).await?;
            match now.into_iter().next().flatten() {
                Some(e) if e.revision != revision && read_one(&e) == taken.value => {
                    revision = e.revision;
                }
                _ => return Ok(false),
            }
        }
    }

    /// Renews the taken slots for as long as the worker runs.
    pub(super) async fn renew_loop(&self) {
        loop {
            if self.taken().is_empty() {
                self.slot_taken.notified().await;
            }
            let third = self.ttl / 3;
            self.timer.sleep_until(self.timer.now() + third).await;
            let taken = self.taken().clone();
            stream::iter(taken).for_each_concurrent(AT_ONCE, |taken| self.renew(taken)).await;
        }
    }

    async fn renew(&self, taken: Arc<TakenSlot>) {
        let mut revision = taken.revision.lock().await;
        if !self.taken().iter().any(|other| Arc::ptr_eq(other, &taken)) {
            return;
        }
        let (value, expect) = (written(&taken.value), Expect::Revision(*revision));
        match self.transport.state_put(&taken.slot, value, expect, Some(self.ttl)).await {
            Ok(Saved::Stored(renewed)) => *revision = renewed,
            Ok(Saved::Conflict) => {
                // A renewal whose answer was lost may have worked.
                let now = self.transport.state_get(std::slice::from_ref(&taken.slot)).await;
                match now.map(|found| found.into_iter().next().flatten()) {
                    Ok(Some(e)) if read_one(&e) == taken.value => *revision = e.revision,
                    // The slot expired while the broker was away, and no other job took it.
                    Ok(None) => self.retake(&taken, &mut revision).await,
                    Ok(_) => {
                        tracing::warn!("a slot of limit {:?} was lost to another job", taken.key)
                    }
                    Err(_) => {}
                }
            }
            Err(err) => tracing::debug!("a slot of limit {:?} is not renewed: {err}", taken.key),
        }
    }

    async fn retake(&self, taken: &TakenSlot, revision: &mut u64) {
        let (value, ttl) = (written(&taken.value), Some(self.ttl));
        // An error shows at the next renewal.
        let put = self.transport.state_put(&taken.slot, value, Expect::Absent, ttl).await;
        if let Ok(Saved::Stored(taken)) = put {
            *revision = taken;
        }
    }

    fn taken(&self) -> MutexGuard<'_, Vec<Arc<TakenSlot>>> {
        lock(&self.taken)
    }
}

/// Which delivery of its message this is. The broker may deliver the message again while a handler
/// that ignores its lease runs on.
fn delivery_id(job: &Envelope, stored: &Stored) -> (u64, u32) {
    (stored.seq, job.crashes)
}

/// Where a job begins to look for a free slot, so that not all begin at the first.
fn first_index(job: &Envelope) -> u32 {
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

fn read(entry: &Option<StateEntry>) -> Slot {
    entry.as_ref().map(read_one).unwrap_or_default()
}

/// An entry that cannot be read is a free slot.
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

    async fn setup() -> (ManualClock, MemoryTransport, LimitSlots, Envelope, Stored) {
        let clock = ManualClock::new();
        let timer: Arc<dyn Timer> = Arc::new(clock.clone());
        let broker = MemoryTransport::with_timer(timer.clone());
        let transport: Arc<dyn Transport> = Arc::new(broker.clone());
        let client = Client::new(transport.clone());
        let job = client.enqueue_task("t", &()).expect("a name");
        let job = job.concurrency_key("k", 1).await.expect("sent");
        let key: JobKey = job.id().as_str().parse().expect("a key");
        let stored = broker.locate(&key).await.expect("an answer").remove(0);
        let job = stored.envelope().expect("readable");
        let slots = LimitSlots::new(transport, timer, WorkerId::new("w").expect("an id"), TTL);
        (clock, broker, slots, job, stored)
    }

    #[tokio::test]
    async fn a_delivery_whose_lease_was_lost_does_not_free_the_slot_of_the_next_one() {
        let (_, _, slots, old, stored) = setup().await;
        let mut new = old.clone();
        new.crashes = 1;
        assert!(slots.take(&old, &stored, "k", 1).await.expect("an answer"));
        let early = slots.taken().clone();
        assert!(slots.take(&new, &stored, "k", 1).await.expect("an answer"));
        assert_eq!(slots.free(&old, &stored).await, [""; 0]);
        // Nor does a call that read the old entry before the next delivery took the slot.
        assert!(!slots.free_one(&early[0]).await.expect("an answer"));
        assert_eq!(slots.count_free("k", 1).await.expect("an answer"), 0);
        assert_eq!(slots.free(&new, &stored).await, ["k"]);
        assert_eq!(slots.count_free("k", 1).await.expect("an answer"), 1);
    }

    #[tokio::test]
    async fn a_slot_that_expired_while_its_job_ran_is_taken_again_when_it_is_renewed() {
        let (clock, broker, slots, job, stored) = setup().await;
        assert!(slots.take(&job, &stored, "k", 1).await.expect("an answer"));
        clock.advance(TTL * 2).await;
        let slot = keys("k", [0]).expect("a key");
        assert_eq!(broker.state_get(&slot).await.expect("an answer"), [None], "{}", clock.now());
        let taken = slots.taken()[0].clone();
        slots.renew(taken).await;
        assert_eq!(slots.count_free("k", 1).await.expect("an answer"), 0);
        assert_eq!(slots.free(&job, &stored).await, ["k"]);
    }
}
