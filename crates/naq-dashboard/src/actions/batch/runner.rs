//! Runs batches as tokio tasks of this process. A batch that stops halfway can be continued, here or
//! in another process.

use std::time::Duration;

use naq_client::{Batch, BatchError, BatchId};
use tokio::task::JoinHandle;

use crate::app::App;

/// How long the reply to the visitor waits for the end of a batch on one job.
const SOON: Duration = Duration::from_secs(5);
/// The time between two runs of a batch while the broker is away.
const RETRY_EVERY: Duration = Duration::from_secs(5);
const MAX_RUNS: u32 = 60;
/// The time between two attempts to undo a batch that has been cancelled but still runs.
const UNDO_EVERY: Duration = Duration::from_millis(200);
const MAX_UNDO_CALLS: u32 = 300;

pub(super) type BatchTask = JoinHandle<Result<Batch, BatchError>>;

/// Runs the batch to its end. While the broker is away it tries again for a few minutes.
pub(super) fn spawn_run(app: &App, id: BatchId) -> BatchTask {
    let app = app.clone();
    tokio::spawn(async move {
        let mut retry = tokio::time::interval(RETRY_EVERY);
        let mut result = Err(BatchError::Busy(id.clone()));
        for _ in 0..MAX_RUNS {
            retry.tick().await;
            result = app.client.run_batch(&id, || false).await;
            match &result {
                Err(err @ BatchError::Transport(_)) => {
                    tracing::warn!(batch = %id, "a batch was interrupted: {err}; trying again");
                }
                // An interrupted run still counts as running for a while.
                Err(BatchError::Busy(_)) => {}
                _ => break,
            }
        }
        show_result(&app, result)
    })
}

/// Undoes the part of the batch that is not due yet. A batch that still runs is cancelled first.
pub(super) fn spawn_undo(app: &App, id: BatchId, who: String) -> BatchTask {
    let app = app.clone();
    tokio::spawn(async move {
        match app.client.cancel_batch(&id, &who).await {
            Ok(_) | Err(BatchError::State { .. }) => {}
            Err(err) => return Err(err),
        }
        let mut retry = tokio::time::interval(UNDO_EVERY);
        let mut result = Err(BatchError::Busy(id.clone()));
        for _ in 0..MAX_UNDO_CALLS {
            retry.tick().await;
            result = app.client.undo_batch(&id, &who, || false).await;
            if !matches!(result, Err(BatchError::Busy(_))) {
                break;
            }
        }
        show_result(&app, result)
    })
}

/// Shows the batch on the pages at once, before the next snapshot reads it.
pub(super) fn show(app: &App, batch: Batch) {
    app.snapshot().batches.update([batch], app.client.now());
}

fn show_result(app: &App, result: Result<Batch, BatchError>) -> Result<Batch, BatchError> {
    if let Ok(batch) = &result {
        show(app, batch.clone());
    }
    result
}

/// The result, if the batch ends within [`SOON`]. The batch runs on in any case.
pub(super) async fn result_if_soon(task: BatchTask) -> Option<Result<Batch, BatchError>> {
    tokio::time::timeout(SOON, task).await.ok()?.ok()
}
