//! Runs the chores worker inside a worker.

use std::fmt::Display;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::tick;
use crate::engine::WorkerState;
use crate::outage::backoff;

/// Runs chores until the worker stops. `start` runs one chores worker until its token is cancelled.
/// When the broker refuses the queue, it is asked again later: another worker may have the
/// permission to create it.
pub(crate) async fn run_chores<E, F>(
    worker: Arc<WorkerState>,
    start: impl Fn(CancellationToken) -> F,
) where
    E: Display,
    F: Future<Output = Result<(), E>>,
{
    let mut failures = 0;
    while !worker.stopping.is_cancelled() {
        let done = tokio::select! {
            done = start(worker.stopping.clone()) => done,
            () = tick::ensure_loop(worker.clone()) => return,
        };
        if let Err(err) = done {
            failures += 1;
            if failures == 1 {
                tracing::warn!("schedules and workflows wait for another worker: {err}");
            }
            tokio::select! {
                () = worker.sleep(backoff(failures) * 10) => {}
                () = worker.stopping.cancelled() => {}
            }
        }
    }
}
