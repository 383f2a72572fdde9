//! Drain: stop fetching, finish what runs, give back the rest.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::stats_writer::StatsWriter;
use crate::attempt::STOP_GRACE;
use crate::decide::Settlement;
use crate::delivery::StopReason;
use crate::engine::WorkerState;
use crate::intake::give_back_waiting;

/// How long the last settlements may take once no handler runs.
const LAST_WRITES: Duration = Duration::from_secs(5);
/// How long leaving the directory may take. Without it the entry expires.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns when nothing is held any more, or when waiting would not help.
pub(super) async fn drain(
    worker: &Arc<WorkerState>,
    mut fetch_loops: JoinSet<()>,
    mut reporters: JoinSet<()>,
    grace: Duration,
) {
    let grace_ends = worker.now() + grace;
    log_stop(worker, grace);
    worker.stopping.cancel();
    for held in worker.ready.close() {
        if let Some(queue) = worker.queue_of(&held) {
            give_back_waiting(worker, &queue, held);
        }
    }
    let in_time = tokio::select! {
        () = all_settled(worker, &mut fetch_loops) => true,
        () = worker.timer.sleep_until(grace_ends) => false,
    };
    if !in_time {
        give_back_running(worker, &mut fetch_loops).await;
    }
    // A heartbeat after leaving would bring the entry back.
    reporters.shutdown().await;
    if let Some(writer) = StatsWriter::of(worker) {
        writer.write_last().await;
    }
    remove_run_list(worker).await;
    if worker.role.is_listed() {
        leave_directory(worker).await;
    }
}

/// The nested chores worker stops with its main worker, which logs for both.
fn log_stop(worker: &WorkerState, grace: Duration) {
    if worker.role.is_listed() {
        let running = worker.ready.running();
        let jobs = if running == 1 { "job runs" } else { "jobs run" };
        let grace = naq_core::retry::BriefDuration(grace);
        tracing::info!("stopping: {running} {jobs}, and may finish within {grace}");
    }
}

/// Tells the others that this worker has stopped. A job that it could not give back comes back without
/// a crash: a deploy is none.
async fn remove_run_list(worker: &WorkerState) {
    tokio::select! {
        removed = worker.run_board.remove(&*worker.transport) => {
            if let Err(err) = removed {
                tracing::debug!("could not remove the list of runs: {err}");
            }
        }
        () = worker.sleep(LEAVE_TIMEOUT) => {}
    }
}

async fn leave_directory(worker: &WorkerState) {
    tokio::select! {
        left = worker.transport.leave(&worker.deps.worker_id) => {
            if let Err(err) = left {
                tracing::debug!("could not leave the directory: {err}");
            }
        }
        () = worker.sleep(LEAVE_TIMEOUT) => {}
    }
}

async fn give_back_running(worker: &Arc<WorkerState>, fetch_loops: &mut JoinSet<()>) {
    for held in worker.queues.iter().flat_map(|q| q.held.all()) {
        held.request_stop(StopReason::Shutdown);
    }
    tokio::select! {
        () = all_settled(worker, fetch_loops) => return,
        () = worker.sleep(STOP_GRACE + STOP_GRACE / 2) => {}
    }
    // A handler that blocks its thread does not notice that it was dropped.
    for queue in &worker.queues {
        for held in queue.held.all() {
            let how = if held.is_suspect() { Settlement::Abandon } else { Settlement::GiveBack };
            worker.settle(queue, held, how);
        }
    }
    tokio::select! {
        () = all_settled(worker, fetch_loops) => {}
        () = worker.sleep(LAST_WRITES) => {
            let left: usize = worker.queues.iter().map(|q| q.held.len()).sum();
            tracing::warn!("{left} jobs could not be given back; they return when their lease ends");
        }
    }
}

/// Returns once nothing is held and nothing will be: a fetch_loop that still closes its queue may bring
/// deliveries that have to be given back, too.
async fn all_settled(worker: &WorkerState, fetch_loops: &mut JoinSet<()>) {
    while fetch_loops.join_next().await.is_some() {}
    join_all(worker.queues.iter().map(|q| q.held.wait_empty())).await;
}

#[cfg(test)]
mod tests {
    use naq_client::Client;
    use naq_core::testing::ManualClock;
    use naq_core::{Clock, QueueName, Timer};
    use naq_memory::MemoryTransport;
    use tokio::sync::mpsc;

    use super::*;
    use crate::engine::Health;
    use crate::run::start;
    use crate::{Registry, Worker, WorkerBuilder};

    #[tokio::test]
    async fn the_end_of_the_grace_period_does_not_cut_off_a_fetch_loop_that_closes_its_queue() {
        let clock = ManualClock::new();
        let client = Client::new(Arc::new(MemoryTransport::with_timer(Arc::new(clock.clone()))));
        let worker = Worker::builder(client, Registry::new()).clock(Arc::new(clock.clone()));
        let (requests, _inbox) = mpsc::unbounded_channel();
        let WorkerBuilder { mut settings } = worker;
        settings.queues.push(QueueName::default());
        let health = Health::new(settings.client.transport().clone());
        let id = settings.worker_id();
        let worker = Arc::new(start::worker_state(settings, id, health, requests));
        let (closing, closed) = tokio::sync::oneshot::channel();
        let mut fetch_loops = JoinSet::new();
        let fetch_loop = clock.clone();
        fetch_loops.spawn(async move {
            fetch_loop.sleep_until(fetch_loop.now() + Duration::from_secs(2)).await;
            closing.send(()).expect("the test waits for it");
        });
        let grace = Duration::from_secs(1);
        let drained = drain(&worker, fetch_loops, JoinSet::new(), grace);
        tokio::join!(drained, clock.advance(Duration::from_secs(30)));
        closed.await.expect("it closed in full");
    }
}
