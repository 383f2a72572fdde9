//! Checkpoints: what an attempt saves for the next one.

use naq_client::{Checkpoint, CheckpointError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Context;

impl<S> Context<S> {
    /// Saves `state` for the next attempt to [`restore`](Self::restore), in place of what was saved
    /// before. The next attempt finds it after an error, a crash, a lost lease, a snooze and a
    /// deploy, and after a requeue of the dead job. Returns once the broker has stored it. It is
    /// removed when the job completes.
    ///
    /// Written as JSON, at most [`Checkpoint::MAX_BYTES`]; encrypted, if the arguments of the job are.
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
    /// [`CheckpointError::LeaseLost`] when another attempt has taken over: this one should stop.
    /// See [`CheckpointError`] for the others.
    pub async fn checkpoint<T>(&self, state: &T) -> Result<(), CheckpointError>
    where
        T: Serialize + Sync + ?Sized,
    {
        let mut saved = self.attempt_context().held.saved.checkpoint.lock().await;
        self.open(&mut saved)?.save(state, self.attempt_context().timer.now()).await
    }

    /// What was saved last, by an earlier attempt or by this one. None when nothing was saved.
    ///
    /// # Errors
    /// As [`checkpoint`](Self::checkpoint).
    pub async fn restore<T: DeserializeOwned>(&self) -> Result<Option<T>, CheckpointError> {
        let mut saved = self.attempt_context().held.saved.checkpoint.lock().await;
        self.open(&mut saved)?.load().await
    }

    /// Waits for `work` in a handler that blocks: `cx.block_on(cx.checkpoint(&state))?`.
    ///
    /// # Panics
    /// In async code, where it would block other tasks: use `.await` there.
    pub fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.attempt_context().runtime.block_on(work)
    }

    fn open<'a>(
        &self,
        saved: &'a mut Option<Checkpoint>,
    ) -> Result<&'a mut Checkpoint, CheckpointError> {
        let attempt = self.attempt_context();
        if attempt.held.is_lease_lost() {
            return Err(CheckpointError::LeaseLost);
        }
        let transport = attempt.client.transport();
        Ok(saved.get_or_insert_with(|| {
            Checkpoint::new(transport.clone(), &attempt.envelope, &attempt.held.delivery)
                .encrypted(attempt.encrypted.clone())
                .compressed_by(&attempt.client)
        }))
    }
}
