//! [`ProgressReporter`]: writes the newest progress of an attempt, at most once a second.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_client::Progress;
use naq_core::sync::lock;
use naq_core::transport::{Expect, StateKey, Transport};
use naq_core::{Timer, Timestamp};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// The shortest time between two writes.
const EVERY: Duration = Duration::from_secs(1);
/// How long the end of an attempt waits for its last progress to be written.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// The newest progress of an attempt, on its way to the broker.
#[derive(Debug, Default)]
pub(crate) struct ProgressReporter {
    state: Mutex<ProgressState>,
    /// Locked during a write, so that an earlier progress never arrives after a later one.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct ProgressState {
    key: Option<StateKey>,
    /// Not written yet.
    latest: Option<Progress>,
    writer: Option<AbortHandle>,
    /// The attempt is over: progress from tasks that its handler left behind is dropped.
    closed: bool,
}

impl ProgressReporter {
    /// Takes over the newest progress. Returns at once; a task on `runtime` writes it.
    pub(crate) fn report(
        self: &Arc<Self>,
        progress: Progress,
        key: impl FnOnce() -> StateKey,
        runtime: &Handle,
        transport: &Arc<dyn Transport>,
        timer: &Arc<dyn Timer>,
    ) {
        let mut state = lock(&self.state);
        if state.closed {
            return;
        }
        state.latest = Some(progress);
        let key = state.key.get_or_insert_with(key).clone();
        if state.writer.is_none() {
            let write_loop = write_loop(self.clone(), transport.clone(), key, timer.clone());
            state.writer = Some(runtime.spawn(write_loop).abort_handle());
        }
    }

    async fn write(&self, transport: &dyn Transport, key: &StateKey) {
        let _writing = self.writing.lock().await;
        let Some(progress) = lock(&self.state).latest.take() else { return };
        let Ok(value) = serde_json::to_vec(&progress) else { return };
        let put = transport.state_put(key, value.into(), Expect::Any, Some(Progress::TTL));
        if let Err(err) = put.await {
            tracing::debug!(%key, "progress is not written: {err}");
        }
    }

    /// The attempt is over. If the job may run again, its last progress is written first.
    pub(crate) async fn close(
        &self,
        may_run_again: bool,
        transport: &dyn Transport,
        timer: &dyn Timer,
    ) {
        let (key, writer) = {
            let mut state = lock(&self.state);
            state.closed = true;
            (state.key.clone(), state.writer.take())
        };
        let Some(key) = key else { return };
        if may_run_again {
            tokio::select! {
                biased;
                () = self.write(transport, &key) => {}
                () = timer.sleep_until(timer.now() + LAST_WRITE) => {}
            }
        }
        if let Some(writer) = writer {
            writer.abort();
        }
    }

    /// The entry, if there was any progress.
    pub(crate) fn key(&self) -> Option<StateKey> {
        lock(&self.state).key.clone()
    }
}

/// Writes the newest progress once a second. Ends when a second passes without new progress.
async fn write_loop(
    writer: Arc<ProgressReporter>,
    transport: Arc<dyn Transport>,
    key: StateKey,
    timer: Arc<dyn Timer>,
) {
    loop {
        let next: Timestamp = timer.now() + EVERY;
        writer.write(&*transport, &key).await;
        timer.sleep_until(next).await;
        let mut state = lock(&writer.state);
        if state.latest.is_none() {
            state.writer = None;
            return;
        }
    }
}
