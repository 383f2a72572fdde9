//! Removes large arguments that no job of the worker's queues needs any more.

use std::sync::Arc;
use std::time::Duration;

use naq_client::UnusedArgs;

use crate::engine::WorkerState;
use crate::random::random_share;

/// The mean time between two looks. It varies, so that the workers of a queue do not look at the same moment.
const EVERY: Duration = Duration::from_secs(3600);

/// Looks through the large arguments of the worker's queues, about once an hour. Best effort: the other workers of
/// a queue look too.
pub(super) async fn unused_args_loop(worker: Arc<WorkerState>) {
    let mut queues: Vec<_> =
        worker.queues.iter().map(|queue| (queue.name.clone(), UnusedArgs::default())).collect();
    loop {
        worker.sleep(EVERY / 2 + EVERY.mul_f64(random_share())).await;
        for (queue, args) in &mut queues {
            match args.remove(&worker.deps.client, queue).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(%queue, "removed {count} arguments that no job needs"),
                Err(err) => tracing::debug!(%queue, "large arguments cannot be checked: {err}"),
            }
        }
    }
}
