//! Logs once a minute how many attempts ended. At the level info a success has no line of its own.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::WorkerState;

/// The time between two lines. A minute in which no attempt ended has none.
const EVERY: Duration = Duration::from_secs(60);

pub(super) async fn summary_loop(worker: Arc<WorkerState>) {
    let counts = || (worker.counts.finished(), worker.counts.failed());
    let mut before = counts();
    loop {
        worker.sleep(EVERY).await;
        let now = counts();
        let (finished, failed) = (now.0 - before.0, now.1 - before.1);
        before = now;
        if finished > 0 {
            tracing::info!(
                finished,
                failed,
                "{finished} attempts ended in the last minute, {failed} of them failed; {} of {} slots in use",
                worker.ready.running(),
                worker.concurrency
            );
        }
    }
}
