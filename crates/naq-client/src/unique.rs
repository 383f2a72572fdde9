//! Keys that at most one job holds. The key is taken first, by compare and set, and then the job is
//! stored; what stands under the key meanwhile is enough for anybody to store the job. So whoever
//! finds a key taken and nothing of the job, because its enqueuer is slow or died between the two
//! steps, finishes the work, and may rely on the job that it names as the holder.

mod holding;

use std::slice;
use std::time::Duration;

use holding::Holding;
use naq_core::flow::{Standing, Unique, UniqueScope};
use naq_core::transport::{
    Expect, JobKey, Receipt, Saved, StateEntry, StateKey, Stored, Submission, TransportError,
};
use naq_core::wire::{Envelope, Nonce, Step};

use crate::Client;

/// How long after its key was taken a job may still be on its way: longer than a transport tries to
/// send it, shorter than brokers know a job that is sent twice.
const ON_ITS_WAY: Duration = Duration::from_secs(30);

/// A key that a job is to hold.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    key: StateKey,
    unique: Unique,
    holder: JobKey,
    life: Nonce,
}

/// A key that was asked for.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is ours, under this revision: the job can be sent.
    Ours(u64),
    /// This job holds it.
    By(JobKey),
}

impl Wanted {
    /// What this job wants; none when it wants no key.
    pub(crate) fn by(job: &Envelope) -> Option<Self> {
        let unique = job.unique.clone()?;
        let holder = JobKey { queue: job.queue.clone(), id: job.id.clone() };
        Some(Self { key: unique.state_key()?, unique, holder, life: job.nonce.clone() })
    }

    /// What the job of this letter wants for another life. A key for a time was for its enqueue.
    pub(crate) fn by_next_life(letter: &Stored, step: Option<Step>) -> Option<Self> {
        let job = letter.envelope().ok()?;
        let wanted = Self { life: step?.nonce, ..Self::by(&job)? };
        (!wanted.is_for_a_time()).then_some(wanted)
    }

    pub(crate) fn text(&self) -> &str {
        &self.unique.key
    }

    fn is_for_a_time(&self) -> bool {
        matches!(self.unique.scope, UniqueScope::ForMillis(_))
    }
}

impl Client {
    /// Takes the key for the job that `submission` stores, or says who holds it. Every round but
    /// the first means that somebody else took it or let it go meanwhile.
    pub(crate) async fn take(
        &self,
        submission: &Submission,
        wanted: &Wanted,
    ) -> Result<Taken, TransportError> {
        let (key, ttl) = (&wanted.key, wanted.unique.ttl());
        let now = self.clock.now();
        let value = Holding::new(&wanted.holder, &wanted.life, &wanted.unique, now)
            .with_job(submission)
            .to_value();
        let mut expect = Expect::Absent;
        loop {
            let saved = self.transport.state_put(key, value.clone(), expect, ttl).await?;
            if let Saved::Stored(revision) = saved {
                return Ok(Taken::Ours(revision));
            }
            expect = match self.entry(key).await? {
                None => Expect::Absent,
                Some(entry) => {
                    let holding = Holding::read(&entry)?;
                    if holding.is_of(&wanted.holder, &wanted.life) {
                        return Ok(Taken::Ours(entry.revision));
                    }
                    match self.still_held(&entry, &holding).await? {
                        true => return Ok(Taken::By(holding.holder)),
                        false => Expect::Revision(entry.revision),
                    }
                }
            };
        }
    }

    async fn entry(&self, key: &StateKey) -> Result<Option<StateEntry>, TransportError> {
        Ok(self.transport.state_get(slice::from_ref(key)).await?.pop().flatten())
    }

    /// Whether the holder is a job that there is. One that is not there yet is sent on its way.
    async fn still_held(
        &self,
        entry: &StateEntry,
        holding: &Holding,
    ) -> Result<bool, TransportError> {
        if matches!(holding.scope, UniqueScope::ForMillis(_)) && holding.is_sent() {
            return Ok(true);
        }
        match self.standing(entry, holding).await? {
            Standing::Held => return Ok(true),
            Standing::Over => return Ok(false),
            Standing::Absent => {}
        }
        let Some(job) = holding.submission() else { return Ok(false) };
        if self.age(entry).await? >= ON_ITS_WAY {
            return Ok(false);
        }
        match self.transport.publish(job).await {
            Ok(Receipt::Stored(_)) => Ok(true),
            // It was there a moment ago, or came just now.
            Ok(Receipt::Duplicate) => Ok(self.standing(entry, holding).await? == Standing::Held),
            Err(err) if err.is_transient() => Err(err),
            // The broker will not have it from anybody.
            Err(_) => Ok(false),
        }
    }

    async fn standing(
        &self,
        entry: &StateEntry,
        holding: &Holding,
    ) -> Result<Standing, TransportError> {
        let traces = self.transport.evidence(slice::from_ref(&holding.holder)).await?.concat();
        Ok(Standing::of(holding.scope, &holding.life(entry)?, &traces))
    }

    /// How long the entry has stood, by the broker's clock, which stamped it.
    async fn age(&self, entry: &StateEntry) -> Result<Duration, TransportError> {
        Ok(self.broker_clock().await?.now.since(entry.stored_at))
    }

    /// What became of a job that was sent with its key taken. An answer that did not come leaves
    /// the key where it is: the job may be there.
    pub(crate) async fn sent(
        &self,
        wanted: &Wanted,
        revision: u64,
        receipt: Result<Receipt, TransportError>,
    ) -> Result<Receipt, TransportError> {
        let ours = match &receipt {
            Ok(Receipt::Stored(_)) => true,
            // By somebody else who wanted the key, unless a job of its id was there before.
            Ok(Receipt::Duplicate) => self.has_trace(wanted).await?,
            Err(err) if err.is_transient() => return receipt,
            Err(_) => false,
        };
        if !ours {
            // If it cannot be given back now, whoever wants it next finds that nobody has it.
            let _ = self.transport.state_remove(&wanted.key, Expect::Revision(revision)).await;
            return receipt;
        }
        if wanted.is_for_a_time() {
            self.confirm(wanted, revision).await;
        }
        receipt.map(|receipt| match receipt {
            Receipt::Duplicate => Receipt::Stored(0),
            stored => stored,
        })
    }

    async fn has_trace(&self, wanted: &Wanted) -> Result<bool, TransportError> {
        let traces = self.transport.evidence(slice::from_ref(&wanted.holder)).await?.concat();
        Ok(traces.iter().any(|trace| trace.step.nonce == wanted.life))
    }

    /// A key for a time outlives every trace of its job: its note says that there was one. Without
    /// that, after a crash or an error here, the key is free when the job has left no trace.
    async fn confirm(&self, wanted: &Wanted, revision: u64) {
        let now = self.clock.now();
        let holding = Holding::new(&wanted.holder, &wanted.life, &wanted.unique, now);
        let (value, ttl) = (holding.to_value(), wanted.unique.ttl());
        let expect = Expect::Revision(revision);
        let _ = self.transport.state_put(&wanted.key, value, expect, ttl).await;
    }

    /// Frees the key of a job that holds one until it has started or ended; false when it does not
    /// hold it. Workers and [`cancel`](Self::cancel) do so in time; a key whose holder is gone is
    /// also free without this, for whoever enqueues the next.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn free_unique(&self, job: &Envelope) -> Result<bool, TransportError> {
        let Some(wanted) = Wanted::by(job).filter(|wanted| !wanted.is_for_a_time()) else {
            return Ok(false);
        };
        loop {
            let Some(entry) = self.entry(&wanted.key).await? else { return Ok(false) };
            if !Holding::read(&entry)?.is_of(&wanted.holder, &wanted.life) {
                return Ok(false);
            }
            let expect = Expect::Revision(entry.revision);
            if let Saved::Stored(_) = self.transport.state_remove(&wanted.key, expect).await? {
                return Ok(true);
            }
        }
    }
}
