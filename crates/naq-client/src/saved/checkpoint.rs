//! [`Checkpoint`]: data that one attempt saves for the next.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naq_core::clock::Timestamp;
use naq_core::compress::{CompressError, Compression};
use naq_core::names::StateKey;
use naq_core::seal::{OpenError, SealKind};
use naq_core::transport::{Delivery, Expect, Saved, StateEntry, StateStore, TransportError};
use naq_core::wire::{Codec, EncodeError, Envelope, Payload};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::saved::key::saved_key;
use crate::saved::size::MAX_CHECKPOINT_BYTES;
use crate::{Client, EncryptedJob};

/// A checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Another attempt of the job has started, or the job has ended.
    #[error(
        "the lease is lost: the job has ended, or another attempt of it has started; stop this one"
    )]
    LeaseLost,
    /// The data is larger than a checkpoint may be.
    #[error(
        "the checkpoint has {size} bytes, the maximum is {max}: store the data elsewhere, and its key here"
    )]
    TooLarge {
        /// Its size as JSON.
        size: usize,
        /// [`Checkpoint::MAX_BYTES`].
        max: usize,
    },
    /// The data cannot be written as JSON.
    #[error("the checkpoint cannot be written as JSON: {0}")]
    Encode(#[source] serde_json::Error),
    /// The stored data has another type than the caller expects.
    #[error(
        "the checkpoint has another type than expected: {0}; an older version may have written it"
    )]
    Decode(#[source] serde_json::Error),
    /// The data cannot be encrypted or compressed.
    #[error(transparent)]
    Encrypt(#[from] EncodeError),
    /// The stored data cannot be decompressed.
    #[error("the checkpoint: {0}")]
    Decompress(#[from] CompressError),
    /// The stored data cannot be decrypted.
    #[error("the checkpoint: {0}")]
    Decrypt(#[from] OpenError),
    /// The broker.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// The order of a job's deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct DeliveryOrder {
    seq: u64,
    delivered: u32,
    /// When the broker stored the message. Earlier releases do not say so.
    #[serde(default)]
    stored_at: Timestamp,
}

impl DeliveryOrder {
    /// Whether `self` is a later delivery than `other`. A queue that was made again, or whose broker has
    /// lost its newest messages, stores later messages under lower sequences.
    fn is_after(self, other: Self) -> bool {
        let earlier = self.stored_at != Timestamp::default() && self.stored_at < other.stored_at;
        (self.seq, self.delivered) > (other.seq, other.delivered) && !earlier
    }
}

/// The stored JSON.
#[derive(Serialize, Deserialize)]
struct StoredCheckpoint<S> {
    attempt: u32,
    at: Timestamp,
    turn: DeliveryOrder,
    state: S,
}

/// A checkpoint without its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckpointInfo {
    /// The attempt that wrote it.
    pub attempt: u32,
    /// When it was written.
    pub at: Timestamp,
    /// Its size as JSON.
    pub bytes: usize,
}

impl CheckpointInfo {
    pub(crate) fn read(entry: &StateEntry) -> Option<Self> {
        let stored: StoredCheckpoint<&RawValue> = serde_json::from_slice(&entry.value).ok()?;
        Some(Self { attempt: stored.attempt, at: stored.at, bytes: stored.state.get().len() })
    }
}

/// The stored entry, as this attempt last saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KnownEntry {
    Unread,
    Absent,
    Revision(u64),
}

/// The checkpoint of a job, used by one attempt. An attempt that lost its lease cannot overwrite the
/// checkpoint of a later attempt: each write expects the revision of the last one, and fails if the
/// stored checkpoint is from a later delivery.
pub struct Checkpoint {
    store: Arc<dyn StateStore>,
    key: StateKey,
    attempt: u32,
    order: DeliveryOrder,
    known: KnownEntry,
    encrypted: Option<EncryptedJob>,
    compression: Compression,
}

impl Checkpoint {
    /// The largest checkpoint, as JSON: 256 KiB. Each save and load transfers all of it. Save
    /// the position in the work, such as the last row, and not the output.
    pub const MAX_BYTES: usize = MAX_CHECKPOINT_BYTES;
    /// How long a checkpoint is stored after it was written: 30 days. That is longer than a dead
    /// job usually waits for its requeue. A job that completes removes its checkpoint.
    pub const TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// The state-store key of the job's checkpoint.
    pub fn key_of(job: &Envelope) -> StateKey {
        saved_key("checkpoint", job)
    }

    /// True if a job that does not run now may have a checkpoint of an earlier attempt.
    pub fn may_be_of(job: &Envelope) -> bool {
        job.attempt > 1 || job.snoozes > 0 || job.crashes > 0 || job.origin.is_some()
    }

    /// The state-store key of this checkpoint.
    pub fn key(&self) -> &StateKey {
        &self.key
    }

    /// The checkpoint of `job`, for the attempt of this delivery.
    pub fn new(store: Arc<dyn StateStore>, job: &Envelope, delivery: &Delivery) -> Self {
        Self {
            store,
            key: Self::key_of(job),
            attempt: job.attempt,
            order: DeliveryOrder {
                seq: delivery.stored.seq,
                delivered: delivery.delivered,
                stored_at: delivery.stored.stored_at,
            },
            known: KnownEntry::Unread,
            encrypted: None,
            compression: Compression::None,
        }
    }

    /// The data is encrypted, as all else that is stored of this job.
    #[must_use]
    pub fn encrypted(self, job: Option<EncryptedJob>) -> Self {
        Self { encrypted: job, ..self }
    }

    /// Compresses large data, as [`Client::compress`](crate::Client::compress) says.
    #[must_use]
    pub fn compressed_by(self, client: &Client) -> Self {
        Self { compression: client.compression, ..self }
    }

    /// True if this attempt has read or written a checkpoint.
    pub fn exists(&self) -> bool {
        matches!(self.known, KnownEntry::Revision(_))
    }

    /// Stores `state` in place of the last checkpoint. Returns once the broker has stored it.
    ///
    /// # Errors
    /// [`CheckpointError`]. After a timeout the checkpoint may be stored.
    pub async fn save<T: Serialize + ?Sized>(
        &mut self,
        state: &T,
        now: Timestamp,
    ) -> Result<(), CheckpointError> {
        let value = self.encode(state, now)?;
        if self.known == KnownEntry::Unread {
            self.read_current().await?;
        }
        loop {
            let expect = match self.known {
                KnownEntry::Revision(revision) => Expect::Revision(revision),
                KnownEntry::Unread | KnownEntry::Absent => Expect::Absent,
            };
            let put = self.store.state_put(&self.key, value.clone(), expect, Some(Self::TTL));
            match put.await? {
                Saved::Stored(revision) => {
                    self.known = KnownEntry::Revision(revision);
                    return Ok(());
                }
                // Overwrites the checkpoint of an earlier attempt that has lost its lease.
                Saved::Conflict => drop(self.read_current().await?),
            }
        }
    }

    /// The checkpoint that this attempt or the last one stored; `None` if there is none.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub async fn load<T: DeserializeOwned>(&mut self) -> Result<Option<T>, CheckpointError> {
        let Some(entry) = self.read_current().await? else { return Ok(None) };
        let stored: StoredCheckpoint<&RawValue> =
            serde_json::from_slice(&entry.value).map_err(CheckpointError::Decode)?;
        let state = stored.state.get();
        let stored = Payload::from_raw(Codec::Json, Bytes::copy_from_slice(state.as_bytes()));
        let plain = match &self.encrypted {
            Some(encrypted) => encrypted.open(SealKind::Checkpoint, &stored)?,
            None => stored.decompressed(Self::MAX_BYTES)?,
        };
        serde_json::from_slice(plain.bytes()).map(Some).map_err(CheckpointError::Decode)
    }

    fn encode<T: Serialize + ?Sized>(
        &self,
        state: &T,
        at: Timestamp,
    ) -> Result<Bytes, CheckpointError> {
        let state = serde_json::value::to_raw_value(state).map_err(CheckpointError::Encode)?;
        let size = state.get().len();
        if size > Self::MAX_BYTES {
            return Err(CheckpointError::TooLarge { size, max: Self::MAX_BYTES });
        }
        let plain =
            || Payload::from_raw(Codec::Json, Bytes::copy_from_slice(state.get().as_bytes()));
        let state = match &self.encrypted {
            None if self.compression == Compression::None => state,
            None => raw(&self.compression.apply(&plain())?)?,
            Some(encrypted) => raw(&encrypted.seal(SealKind::Checkpoint, &plain())?)?,
        };
        let stored = StoredCheckpoint { attempt: self.attempt, at, turn: self.order, state };
        Ok(serde_json::to_vec(&stored).map_err(CheckpointError::Encode)?.into())
    }

    /// The stored entry, if this attempt may still overwrite it.
    async fn read_current(&mut self) -> Result<Option<StateEntry>, CheckpointError> {
        let entry = self.store.state_get(std::slice::from_ref(&self.key)).await?.pop().flatten();
        let Some(entry) = entry else {
            // This attempt has stored a checkpoint, and only the end of the job removes it.
            if self.exists() {
                return Err(CheckpointError::LeaseLost);
            }
            self.known = KnownEntry::Absent;
            return Ok(None);
        };
        // An entry that cannot be read may be overwritten.
        let stored: Option<StoredCheckpoint<&RawValue>> = serde_json::from_slice(&entry.value).ok();
        if stored.is_some_and(|stored| stored.turn.is_after(self.order)) {
            return Err(CheckpointError::LeaseLost);
        }
        self.known = KnownEntry::Revision(entry.revision);
        Ok(Some(entry))
    }
}

/// The value as a part of the stored JSON.
fn raw(value: &Payload) -> Result<Box<RawValue>, CheckpointError> {
    let text = String::from_utf8_lossy(value.bytes()).into_owned();
    RawValue::from_string(text).map_err(CheckpointError::Encode)
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_later_by_its_sequence_unless_its_message_is_older() {
        let order = |seq, delivered, at| DeliveryOrder {
            seq,
            delivered,
            stored_at: Timestamp::from_millis(at),
        };
        let mine = order(10, 1, 100);
        assert!(order(11, 1, 101).is_after(mine) && order(10, 2, 100).is_after(mine));
        assert!(!order(9, 7, 99).is_after(mine) && !mine.is_after(mine));
        // The queue was made again: the stored checkpoint is from before that.
        assert!(!order(500, 1, 50).is_after(mine));
        // An earlier release did not store the time.
        assert!(order(11, 1, 0).is_after(mine));
    }
}
