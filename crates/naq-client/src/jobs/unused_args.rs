//! [`UnusedArgs`]: finds large arguments that no job needs any more, and removes them.

use std::collections::HashMap;
use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::names::{JobKey, QueueName};
use naq_core::transport::{KeptBlob, Place, Stored, TransportError};
use naq_core::wire::BlobRef;

use crate::Client;
use crate::join_bounded::join_bounded;

/// The least age of a blob that is removed because no job names it. A producer stores the blob first and the job
/// within seconds, so that a day is enough.
const UNUSED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// How many looks in a row must find no message that names a blob.
const EMPTY_LOOKS: u32 = 3;

/// Looks through the large arguments of one queue, again and again, and remembers when the next look at each is
/// due. So it looks at each of them once a day.
#[derive(Debug, Default)]
pub struct UnusedArgs {
    look_at: HashMap<String, Timestamp>,
}

impl UnusedArgs {
    /// Removes the large arguments that are older than a day and that no job of the queue needs: their producer
    /// died before it stored the job, or a worker died before it removed them. Returns how many it removed.
    ///
    /// # Errors
    /// [`TransportError`]. What is not removed yet is left to the next call.
    pub async fn remove(
        &mut self,
        client: &Client,
        queue: &QueueName,
    ) -> Result<u64, TransportError> {
        let now = client.now();
        let mut before = std::mem::take(&mut self.look_at);
        let mut removed = 0;
        for KeptBlob { job, blob } in client.transport.blobs_kept(queue).await? {
            let look_at = match before.remove(blob.name()) {
                Some(look_at) => look_at,
                None => match client.transport.blob_stored_at(&job, &blob).await? {
                    Some(stored_at) => stored_at + UNUSED_AFTER,
                    // It was removed meanwhile.
                    None => continue,
                },
            };
            if look_at > now {
                self.look_at.insert(blob.name().to_owned(), look_at);
            } else if client.is_unused(&job, &blob).await? {
                client.transport.blob_remove(&job, &blob).await?;
                removed += 1;
            } else {
                self.look_at.insert(blob.name().to_owned(), now + UNUSED_AFTER);
            }
        }
        Ok(removed)
    }
}

impl Client {
    /// Removes every pending, running and waiting job of the queue, with its large arguments, and returns how many.
    /// Dead letters stay, and so do their arguments.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn purge_queue(&self, queue: &QueueName) -> Result<u64, TransportError> {
        // Best effort: what stays is removed by a worker after a day.
        let kept = self.transport.blobs_kept(queue).await.unwrap_or_default();
        let looks = kept.into_iter().map(|kept| async move {
            let messages = self.transport.locate(&kept.job).await.ok()?;
            let waits = |place| matches!(place, Place::Queue | Place::Schedule);
            let is_purged = messages.iter().any(|it| waits(it.place) && it.names_blob(&kept.blob));
            is_purged.then_some(kept)
        });
        // A blob whose job comes after the purge is not among them.
        let args: Vec<KeptBlob> = join_bounded(looks).await.into_iter().flatten().collect();
        let purged = self.transport.purge(queue).await?;
        let removals = args.into_iter().map(|KeptBlob { job, blob }| async move {
            if self.is_unused(&job, &blob).await? {
                self.transport.blob_remove(&job, &blob).await?;
            }
            Ok::<(), TransportError>(())
        });
        join_bounded(removals).await.into_iter().for_each(drop);
        Ok(purged)
    }

    /// Whether no message of the job needs the blob. A record of an end does not: the job cannot run again. One
    /// look is not enough: a job that moves from one place to the next may be seen in neither. A dead letter keeps
    /// all blobs of its id: an earlier letter, which a look does not show, may name them.
    async fn is_unused(&self, job: &JobKey, blob: &BlobRef) -> Result<bool, TransportError> {
        for _ in 0..EMPTY_LOOKS {
            let messages = self.transport.locate(job).await?;
            let needs = |it: &Stored| match it.place {
                Place::Dead => true,
                Place::Record => false,
                Place::Queue | Place::Schedule => it.names_blob(blob),
            };
            if messages.iter().any(needs) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
