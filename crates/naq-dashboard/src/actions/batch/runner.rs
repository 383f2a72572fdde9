//! Batches are run as tasks of this process. One that it does not finish can be gone on with, here
//! or elsewhere.

use std::time::Duration;

use naq_client::{Batch, BatchError, BatchId};
use tokio::task::JoinHandle;

use crate::app::App;

/// How long whoever asked waits for the end; after that the page shows how far it is.
const SHORTLY: Duration = Duration::from_secs(5);
/// Between two tries, while the broker is away.
const AGAIN: Duration = Duration::from_secs(5);
const TRIES: u32 = 60;
/// Between two looks whether a batch that was cancelled has come to a halt.
const LOOK: Duration = Duration::from_millis(200);
const LOOKS: u32 = 300;

pub(super) type Run = JoinHandle<Result<Batch, BatchError>>;

/// Runs it until it is done; while the broker is away it tries again for a few minutes.
pub(super) fn run(app: &App, id: BatchId) -> Run {
    let app = app.clone();
    tokio::spawn(async move {
        let mut again = tokio::time::interval(AGAIN);
        let mut ended = Err(BatchError::Busy(id.clone()));
        for _ in 0..TRIES {
            again.tick().await;
            ended = app.client.run_batch(&id, || false).await;
            match &ended {
                Err(err @ BatchError::Transport(_)) => {
                    tracing::warn!(batch = %id, "a batch is broken off: {err}; trying again");
                }
                // As long as a run that was broken off is taken for alive.
                Err(BatchError::Busy(_)) => {}
                _ => break,
            }
        }
        told(&app, ended)
    })
}

/// Takes back what is not yet due; a batch that is running is cancelled before.
pub(super) fn undo(app: &App, id: BatchId, who: String) -> Run {
    let app = app.clone();
    tokio::spawn(async move {
        match app.client.cancel_batch(&id, &who).await {
            Ok(_) | Err(BatchError::State { .. }) => {}
            Err(err) => return Err(err),
        }
        let mut look = tokio::time::interval(LOOK);
        let mut ended = Err(BatchError::Busy(id.clone()));
        for _ in 0..LOOKS {
            look.tick().await;
            ended = app.client.undo_batch(&id, &who, || false).await;
            if !matches!(ended, Err(BatchError::Busy(_))) {
                break;
            }
        }
        told(&app, ended)
    })
}

fn told(app: &App, ended: Result<Batch, BatchError>) -> Result<Batch, BatchError> {
    if let Ok(batch) = &ended {
        app.snapshot().batches.learn([batch.clone()], app.client.now());
    }
    ended
}

/// How it ended, if it does so shortly. It goes on in any case.
pub(super) async fn shortly(run: Run) -> Option<Result<Batch, BatchError>> {
    tokio::time::timeout(SHORTLY, run).await.ok()?.ok()
}
