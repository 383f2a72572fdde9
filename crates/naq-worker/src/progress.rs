//! How far a handler says that it has come: told at once, written once a second.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use naq_client::Progress;
use naq_core::transport::{Expect, StateKey, Transport};
use naq_core::{Timer, Timestamp};
use tokio::task::AbortHandle;

use crate::context::{Context, Scene};
use crate::held::Held;

/// A job's progress is written no more often than this.
const EVERY: Duration = Duration::from_secs(1);
/// How long the end of an attempt waits for the last word to be written.
const LAST_WORD: Duration = Duration::from_secs(1);

impl<S> Context<S> {
    /// Says how far this attempt has come: `done` of `total` steps (0 where nobody knows how many
    /// there are), and what it is doing. Shown by `naq job show`, and in a
    /// [`JobReport`](naq_client::JobReport).
    ///
    /// Cheap: it returns at once and is written in the background, the last word once a second.
    /// What was said last before an attempt failed is always written, unless the broker is away.
    ///
    /// ```
    /// # use naq_core::{Failure, Job};
    /// # use naq_worker::Context;
    /// # struct Import { rows: Vec<String> }
    /// async fn import(job: Import, cx: Context) -> Result<(), Failure> {
    ///     let total = job.rows.len() as u64;
    ///     for (done, row) in (1..).zip(&job.rows) {
    ///         // ... import the row ...
    ///         cx.progress(done, total, row);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn progress(&self, done: u64, total: u64, message: impl Into<String>) {
        let mut message = message.into();
        let fits = |end: &usize| message.is_char_boundary(*end);
        message.truncate((0..=Progress::MAX_MESSAGE).rev().find(fits).unwrap_or(0));
        let (attempt, at) = (self.attempt(), self.scene().timer.now());
        Reporter::say(self.scene(), Progress { done, total, message, attempt, at });
    }
}

/// The last word of a handler, on its way to the broker.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    slot: Mutex<Slot>,
    /// Held while one is written, so that an earlier word never arrives after a later one.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Slot {
    key: Option<StateKey>,
    latest: Option<Progress>,
    writer: Option<AbortHandle>,
    /// The attempt is over: what its handler still says is not heard.
    closed: bool,
}

impl Reporter {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(scene: &Scene, progress: Progress) {
        let mut slot = scene.held.kept.progress.slot();
        if slot.closed {
            return;
        }
        slot.latest = Some(progress);
        let key = slot.key.get_or_insert_with(|| Progress::key(&scene.envelope)).clone();
        if slot.writer.is_none() {
            let (held, timer) = (scene.held.clone(), scene.timer.clone());
            let transport = scene.client.transport().clone();
            let writer = scene.runtime.spawn(write_all(held, transport, key, timer));
            slot.writer = Some(writer.abort_handle());
        }
    }

    async fn write(&self, transport: &dyn Transport, key: &StateKey) {
        let _writing = self.writing.lock().await;
        let Some(progress) = self.slot().latest.take() else { return };
        let Ok(value) = serde_json::to_vec(&progress) else { return };
        let put = transport.state_put(key, value.into(), Expect::Any, Some(Progress::TTL));
        if let Err(err) = put.await {
            tracing::debug!(%key, "the progress is not written: {err}");
        }
    }

    /// The attempt is over. If the job goes on, its last word is written first.
    pub(crate) async fn close(&self, goes_on: bool, transport: &dyn Transport, timer: &dyn Timer) {
        let (key, writer) = {
            let mut slot = self.slot();
            slot.closed = true;
            (slot.key.clone(), slot.writer.take())
        };
        let Some(key) = key else { return };
        if goes_on {
            tokio::select! {
                biased;
                () = self.write(transport, &key) => {}
                () = timer.sleep_until(timer.now() + LAST_WORD) => {}
            }
        }
        if let Some(writer) = writer {
            writer.abort();
        }
    }

    /// Where it was written, if it was.
    pub(crate) fn key(&self) -> Option<StateKey> {
        self.slot().key.clone()
    }
}

/// Writes what is said, until nothing was said for a while.
async fn write_all(
    held: Arc<Held>,
    transport: Arc<dyn Transport>,
    key: StateKey,
    timer: Arc<dyn Timer>,
) {
    let reporter = &held.kept.progress;
    loop {
        let next: Timestamp = timer.now() + EVERY;
        reporter.write(&*transport, &key).await;
        timer.sleep_until(next).await;
        let mut slot = reporter.slot();
        if slot.latest.is_none() {
            slot.writer = None;
            return;
        }
    }
}
