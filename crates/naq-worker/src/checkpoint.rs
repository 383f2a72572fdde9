//! What an attempt leaves for the next one.

use naq_client::{Checkpoint, CheckpointError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Context;

impl<S> Context<S> {
    /// Keeps `state`, in place of what was kept before, for the next attempt to
    /// [`restore`](Self::restore). Whatever ends this one: an error, a crash, a lost lease, a snooze,
    /// a deploy; also a requeue of the dead job goes on from there. Returns once the broker has it;
    /// it is removed when the job completes.
    ///
    /// Written as JSON, at most [`Checkpoint::MAX_BYTES`].
    ///
    /// ```
    /// # use naq_core::Failure;
    /// # use naq_worker::Context;
    /// # struct Import { rows: Vec<String> }
    /// async fn import(job: Import, cx: Context) -> Result<(), Failure> {
    ///     let begin: usize = cx.restore().await?.unwrap_or(0);
    ///     for (n, row) in job.rows.iter().enumerate().skip(begin) {
    ///         // ... import the row ...
    ///         if n % 100 == 99 {
    ///             cx.checkpoint(&(n + 1)).await?;
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`CheckpointError::LeaseLost`] when another attempt has taken over: what this one does is no
    /// longer wanted. Others of [`CheckpointError`].
    pub async fn checkpoint<T>(&self, state: &T) -> Result<(), CheckpointError>
    where
        T: Serialize + Sync + ?Sized,
    {
        let mut kept = self.scene().held.kept.checkpoint.lock().await;
        self.open(&mut kept)?.save(state, self.scene().timer.now()).await
    }

    /// What was kept last, by an earlier attempt or by this one; none when nothing was.
    ///
    /// # Errors
    /// As [`checkpoint`](Self::checkpoint).
    pub async fn restore<T: DeserializeOwned>(&self) -> Result<Option<T>, CheckpointError> {
        let mut kept = self.scene().held.kept.checkpoint.lock().await;
        self.open(&mut kept)?.load().await
    }

    /// Waits for `work` in a handler that blocks: `cx.block_on(cx.checkpoint(&state))?`.
    ///
    /// # Panics
    /// In async code, where it would hold up others: `.await` it there.
    pub fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.scene().runtime.block_on(work)
    }

    fn open<'a>(
        &self,
        kept: &'a mut Option<Checkpoint>,
    ) -> Result<&'a mut Checkpoint, CheckpointError> {
        let scene = self.scene();
        if scene.held.is_lost() {
            return Err(CheckpointError::LeaseLost);
        }
        let transport = scene.client.transport();
        Ok(kept.get_or_insert_with(|| {
            Checkpoint::new(transport.clone(), &scene.envelope, &scene.held.delivery)
        }))
    }
}
