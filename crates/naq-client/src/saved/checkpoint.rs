//! [`Checkpoint`]: what one attempt leaves for the next.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naq_core::clock::Timestamp;
use naq_core::transport::{
    Delivery, Expect, Saved, StateEntry, StateKey, Transport, TransportError,
};
use naq_core::wire::Envelope;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::saved::load::kept_key;

/// A checkpoint that was not written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Another attempt of the job has begun, or it has ended.
    #[error("the lease is lost: another attempt of this job goes on without this one; stop here")]
    LeaseLost,
    /// More than a checkpoint holds.
    #[error(
        "the checkpoint has {size} bytes, at most {max} are kept: keep the data elsewhere, and its key here"
    )]
    TooLarge {
        /// Its size as JSON.
        size: usize,
        /// [`Checkpoint::MAX_BYTES`].
        max: usize,
    },
    /// The state has no form as JSON.
    #[error("the checkpoint cannot be written: {0}")]
    Encode(#[source] serde_json::Error),
    /// What was kept is another type than is asked for.
    #[error(
        "the checkpoint cannot be read as what is asked for: {0}; an older version may have written it"
    )]
    Decode(#[source] serde_json::Error),
    /// The broker.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// Which delivery of a job: of two attempts, the later one has the greater turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Turn {
    seq: u64,
    delivered: u32,
}

/// What is stored: JSON.
#[derive(Serialize, Deserialize)]
struct Kept<S> {
    attempt: u32,
    at: Timestamp,
    turn: Turn,
    state: S,
}

/// A checkpoint without what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckpointInfo {
    /// The attempt that wrote it.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// Its size as JSON.
    pub bytes: usize,
}

impl CheckpointInfo {
    pub(crate) fn read(entry: &StateEntry) -> Option<Self> {
        let kept: Kept<&RawValue> = serde_json::from_slice(&entry.value).ok()?;
        Some(Self { attempt: kept.attempt, at: kept.at, bytes: kept.state.get().len() })
    }
}

/// What stands under the key, as far as this attempt knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Unread,
    Nothing,
    Revision(u64),
}

/// The checkpoint of a job as one attempt has it. An attempt that lost its lease cannot write over
/// that of a later one: each write expects what the last one left, and gives way to a later turn.
pub struct Checkpoint {
    transport: Arc<dyn Transport>,
    key: StateKey,
    attempt: u32,
    turn: Turn,
    known: Known,
}

impl Checkpoint {
    /// The most that a checkpoint holds, as JSON: 256 KiB. It is written and read as a whole each
    /// time; it says how far the work has come, and is no place for the work itself.
    pub const MAX_BYTES: usize = 256 * 1024;
    /// How long a checkpoint is kept that nobody removes, since it was written: 30 days. That is
    /// longer than a dead job commonly waits for its requeue; a job that completes removes its own.
    pub const TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// Where that of a job is kept.
    pub fn key_of(job: &Envelope) -> StateKey {
        kept_key("checkpoint", job)
    }

    /// Whether earlier attempts of a job that does not run may have kept one.
    pub fn may_be_of(job: &Envelope) -> bool {
        job.attempt > 1 || job.snoozes > 0 || job.crashes > 0 || job.origin.is_some()
    }

    /// Where it is kept.
    pub fn key(&self) -> &StateKey {
        &self.key
    }

    /// That of `job`, for the attempt that `delivery` is.
    pub fn new(transport: Arc<dyn Transport>, job: &Envelope, delivery: &Delivery) -> Self {
        Self {
            transport,
            key: Self::key_of(job),
            attempt: job.attempt,
            turn: Turn { seq: delivery.stored.seq, delivered: delivery.delivered },
            known: Known::Unread,
        }
    }

    /// Whether there is one, as far as this attempt knows.
    pub fn exists(&self) -> bool {
        matches!(self.known, Known::Revision(_))
    }

    /// Keeps `state` in place of what was kept before. Returns once the broker has it.
    ///
    /// # Errors
    /// [`CheckpointError`]. After a time-out it may be kept.
    pub async fn save<T: Serialize + ?Sized>(
        &mut self,
        state: &T,
        now: Timestamp,
    ) -> Result<(), CheckpointError> {
        let value = self.encode(state, now)?;
        if self.known == Known::Unread {
            self.look().await?;
        }
        loop {
            let expect = match self.known {
                Known::Revision(revision) => Expect::Revision(revision),
                Known::Unread | Known::Nothing => Expect::Absent,
            };
            let put = self.transport.state_put(&self.key, value.clone(), expect, Some(Self::TTL));
            match put.await? {
                Saved::Stored(revision) => {
                    self.known = Known::Revision(revision);
                    return Ok(());
                }
                // An earlier attempt that does not know yet that it is over gives way.
                Saved::Conflict => drop(self.look().await?),
            }
        }
    }

    /// What the last attempt kept, or this one; none when nobody kept anything.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub async fn load<T: DeserializeOwned>(&mut self) -> Result<Option<T>, CheckpointError> {
        let Some(entry) = self.look().await? else { return Ok(None) };
        let kept: Kept<T> =
            serde_json::from_slice(&entry.value).map_err(CheckpointError::Decode)?;
        Ok(Some(kept.state))
    }

    fn encode<T: Serialize + ?Sized>(
        &self,
        state: &T,
        at: Timestamp,
    ) -> Result<Bytes, CheckpointError> {
        let state = serde_json::value::to_raw_value(state).map_err(CheckpointError::Encode)?;
        let (size, max) = (state.get().len(), Self::MAX_BYTES);
        if size > max {
            return Err(CheckpointError::TooLarge { size, max });
        }
        let kept = Kept { attempt: self.attempt, at, turn: self.turn, state };
        Ok(serde_json::to_vec(&kept).map_err(CheckpointError::Encode)?.into())
    }

    /// What stands there, if this attempt may still write over it.
    async fn look(&mut self) -> Result<Option<StateEntry>, CheckpointError> {
        let entry =
            self.transport.state_get(std::slice::from_ref(&self.key)).await?.pop().flatten();
        let Some(entry) = entry else {
            // It was there, and whoever removed it has ended the job.
            if self.exists() {
                return Err(CheckpointError::LeaseLost);
            }
            self.known = Known::Nothing;
            return Ok(None);
        };
        // What cannot be read is nobody's turn.
        let kept: Option<Kept<&RawValue>> = serde_json::from_slice(&entry.value).ok();
        if kept.is_some_and(|kept| kept.turn > self.turn) {
            return Err(CheckpointError::LeaseLost);
        }
        self.known = Known::Revision(entry.revision);
        Ok(Some(entry))
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint").field("key", &self.key).finish_non_exhaustive()
    }
}
