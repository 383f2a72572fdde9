//! [`UniqueKeys`]: takes and frees unique keys.

use std::slice;
use std::time::Duration;

use naq_core::clock::Clock;
use naq_core::flow::{Standing, UniqueScope};
use naq_core::names::{JobKey, StateKey};
use naq_core::transport::{
    Expect, Lookup, Producer, Receipt, Saved, StateEntry, StateStore, Submission, TransportError,
};
use naq_core::wire::Envelope;

use crate::Client;
use crate::unique::key_entry::KeyEntry;
use crate::unique::key_request::{HeldKey, KeyAnswer, KeyRequest};

/// How long after a client took the key another client may store the job. A transport tries to send
/// it for a shorter time. The broker's dedup window is longer.
const SEND_TIME: Duration = Duration::from_secs(30);

/// Takes and frees unique keys.
pub(crate) struct UniqueKeys<'a> {
    store: &'a dyn StateStore,
    lookup: &'a dyn Lookup,
    producer: &'a dyn Producer,
    clock: &'a dyn Clock,
}

impl UniqueKeys<'_> {
    /// Takes the key for the job that `submission` stores, or names its holder. The loop
    /// repeats only if another client took or freed the key meanwhile.
    pub(crate) async fn take_key(
        &self,
        submission: &Submission,
        request: &KeyRequest,
    ) -> Result<KeyAnswer, TransportError> {
        let key = &request.key;
        if let Some(holder) = self.old_holder(request).await? {
            return Ok(KeyAnswer::HeldBy(holder));
        }
        let ttl = request.unique.ttl();
        let value = self.new_entry(request).with_job(submission).to_value();
        let mut expect = Expect::Absent;
        loop {
            let saved = self.store.state_put(key, value.clone(), expect, ttl).await?;
            if let Saved::Stored(revision) = saved {
                return Ok(KeyAnswer::Taken(revision));
            }
            expect = match self.read_entry(key).await? {
                None => Expect::Absent,
                Some(stored) => {
                    let entry = KeyEntry::read(&stored)?;
                    if entry.is_of(&request.holder, &request.life) {
                        return Ok(KeyAnswer::Taken(stored.revision));
                    }
                    match self.is_holder_alive(&stored, &entry, request).await? {
                        true => return Ok(KeyAnswer::HeldBy(entry.holder)),
                        false => Expect::Revision(stored.revision),
                    }
                }
            };
        }
    }

    /// The job that holds the key. `None` if the key is free.
    pub(crate) async fn held(
        &self,
        request: &KeyRequest,
    ) -> Result<Option<HeldKey>, TransportError> {
        let Some(stored) = self.read_entry(&request.key).await? else { return Ok(None) };
        let (revision, since) = (stored.revision, stored.stored_at);
        Ok(Some(HeldKey { holder: KeyEntry::read(&stored)?.holder, revision, since }))
    }

    /// Takes the key from the job that holds it at this revision of the entry, although that job has
    /// not ended. `None` if the entry has changed.
    pub(crate) async fn take_over(
        &self,
        submission: &Submission,
        request: &KeyRequest,
        revision: u64,
    ) -> Result<Option<u64>, TransportError> {
        let value = self.new_entry(request).with_job(submission).to_value();
        let expect = Expect::Revision(revision);
        let saved = self.store.state_put(&request.key, value, expect, request.unique.ttl()).await?;
        Ok(match saved {
            Saved::Stored(revision) => Some(revision),
            Saved::Conflict => None,
        })
    }

    /// The job that holds the key by the entry of an older version. An entry of this job itself is left
    /// alone: the job then holds both.
    async fn old_holder(&self, request: &KeyRequest) -> Result<Option<JobKey>, TransportError> {
        let Some(key) = &request.old_key else { return Ok(None) };
        let Some(stored) = self.read_entry(key).await? else { return Ok(None) };
        let entry = KeyEntry::read(&stored)?;
        let is_other = !entry.is_of(&request.holder, &request.life);
        let holds = is_other && self.is_holder_alive(&stored, &entry, request).await?;
        Ok(holds.then_some(entry.holder))
    }

    fn new_entry(&self, request: &KeyRequest) -> KeyEntry {
        KeyEntry::new(&request.holder, &request.life, &request.unique, self.clock.now())
    }

    async fn read_entry(&self, key: &StateKey) -> Result<Option<StateEntry>, TransportError> {
        Ok(self.store.state_get(slice::from_ref(key)).await?.pop().flatten())
    }

    /// True if the holder is a job that still holds the key. Stores the holder's job if it is not
    /// stored yet and is of the queue of the job that wants the key.
    async fn is_holder_alive(
        &self,
        stored: &StateEntry,
        entry: &KeyEntry,
        request: &KeyRequest,
    ) -> Result<bool, TransportError> {
        if matches!(entry.scope, UniqueScope::ForMillis(_)) && entry.is_sent() {
            return Ok(true);
        }
        match self.holder_standing(stored, entry).await? {
            Standing::Held => return Ok(true),
            Standing::Over => return Ok(false),
            Standing::Absent => {}
        }
        let Some(job) = entry.submission() else { return Ok(false) };
        let age = self.entry_age(stored).await?;
        if age >= SEND_TIME {
            return Ok(false);
        }
        // Who may write the entry may not be allowed to enqueue to the queue that it names. This client
        // stores only what its own right covers: a job of its own queue.
        if entry.holder.queue != request.holder.queue {
            return Err(TransportError::Unavailable {
                what: format!("take the unique key {:?}", request.text()),
                reason: format!(
                    "job {} took it {} ms ago and is not stored yet; the key is free {} s after that",
                    entry.holder,
                    age.as_millis(),
                    SEND_TIME.as_secs()
                ),
            });
        }
        match self.producer.publish(job).await {
            Ok(Receipt::Stored(_)) => Ok(true),
            // Another client has stored the job, now or earlier.
            Ok(Receipt::Duplicate) => {
                Ok(self.holder_standing(stored, entry).await? == Standing::Held)
            }
            Err(err) if err.is_transient() => Err(err),
            // The broker refuses this job from every client.
            Err(_) => Ok(false),
        }
    }

    async fn holder_standing(
        &self,
        stored: &StateEntry,
        entry: &KeyEntry,
    ) -> Result<Standing, TransportError> {
        let evidence = self.lookup.evidence(slice::from_ref(&entry.holder)).await?.concat();
        Ok(Standing::of(entry.scope, &entry.life(stored)?, &evidence))
    }

    /// The age of the entry by the broker's clock, which also stamped it.
    async fn entry_age(&self, stored: &StateEntry) -> Result<Duration, TransportError> {
        self.lookup.broker().await?;
        Ok(self.clock.now().since(stored.stored_at))
    }

    /// Ends what [`take_key`](Self::take_key) began, after the publish of the job. Frees the key if the
    /// broker did not store the job. If the broker gave no answer, the key stays taken, because the
    /// job may be stored.
    pub(crate) async fn after_send(
        &self,
        request: &KeyRequest,
        revision: u64,
        receipt: Result<Receipt, TransportError>,
    ) -> Result<Receipt, TransportError> {
        let stored = match &receipt {
            Ok(Receipt::Stored(_)) => true,
            // Either another client that wanted the key has stored this job, or an earlier job has
            // the same id.
            Ok(Receipt::Duplicate) => self.has_evidence(request).await?,
            Err(err) if err.is_transient() => return receipt,
            Err(_) => false,
        };
        if !stored {
            // Best effort: the next client that wants the key finds that its holder does not exist.
            let _ = self.store.state_remove(&request.key, Expect::Revision(revision)).await;
            return receipt;
        }
        if request.has_fixed_time() {
            self.confirm_key(request, revision).await;
        }
        receipt.map(|receipt| match receipt {
            Receipt::Duplicate => Receipt::Stored(0),
            stored => stored,
        })
    }

    async fn has_evidence(&self, request: &KeyRequest) -> Result<bool, TransportError> {
        let evidence = self.lookup.evidence(slice::from_ref(&request.holder)).await?.concat();
        Ok(evidence.iter().any(|message| message.step.nonce == request.life))
    }

    /// Removes the job from the entry of a key with a fixed time. An entry without a job says that the
    /// job was stored, so the key stays taken when the job has no messages any more. If this step
    /// fails, the key is free once the job has no message.
    async fn confirm_key(&self, request: &KeyRequest, revision: u64) {
        let value = self.new_entry(request).to_value();
        let ttl = request.unique.ttl();
        let expect = Expect::Revision(revision);
        let _ = self.store.state_put(&request.key, value, expect, ttl).await;
    }

    /// Removes the key's entry if this life of the job holds it. False when it does not.
    async fn free_key(&self, request: &KeyRequest) -> Result<bool, TransportError> {
        let mut freed = self.free_entry(&request.key, request).await?;
        if let Some(old_key) = &request.old_key {
            freed |= self.free_entry(old_key, request).await?;
        }
        Ok(freed)
    }

    async fn free_entry(
        &self,
        key: &StateKey,
        request: &KeyRequest,
    ) -> Result<bool, TransportError> {
        loop {
            let Some(stored) = self.read_entry(key).await? else { return Ok(false) };
            if !KeyEntry::read(&stored)?.is_of(&request.holder, &request.life) {
                return Ok(false);
            }
            let expect = Expect::Revision(stored.revision);
            if let Saved::Stored(_) = self.store.state_remove(key, expect).await? {
                return Ok(true);
            }
        }
    }
}

impl Client {
    pub(crate) fn unique_keys(&self) -> UniqueKeys<'_> {
        UniqueKeys {
            store: &*self.transport,
            lookup: &*self.transport,
            producer: &*self.transport,
            clock: &*self.clock,
        }
    }

    /// Frees the unique key of a job that holds it until it has started or ended. False when the job
    /// does not hold it. Workers and [`cancel`](Self::cancel) call this; without it,
    /// the next job still gets the key, because it finds that the holder has ended.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn free_unique(&self, job: &Envelope) -> Result<bool, TransportError> {
        match KeyRequest::of_job(job).filter(|request| !request.has_fixed_time()) {
            Some(request) => self.unique_keys().free_key(&request).await,
            None => Ok(false),
        }
    }
}
