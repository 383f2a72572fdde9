//! The end of a worker, in order: stop fetching, finish what runs, give back the rest.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;

use crate::conclude::Conclusion;
use crate::engine::Engine;
use crate::feed::give_back_waiting;
use crate::guarded::STOP_GRACE;
use crate::held::StopReason;

/// How long the last writes may take once nothing runs any more.
const LAST_WRITES: Duration = Duration::from_secs(5);
/// How long leaving the directory may take; the entry vanishes by itself too.
const GOODBYE: Duration = Duration::from_secs(1);

/// Returns when nothing is held any more, or when it is no use to wait.
pub(crate) async fn drain(
    engine: &Arc<Engine>,
    mut feeds: JoinSet<()>,
    mut beat: JoinSet<()>,
    grace: Duration,
) {
    let grace_ends = engine.now() + grace;
    tracing::info!("stopping: {} running, up to {grace:?} to finish", engine.ready.running());
    engine.stopping.cancel();
    for held in engine.ready.close() {
        if let Some(queue) = engine.queue_of(&held) {
            give_back_waiting(engine, &queue, held);
        }
    }
    let finished = async {
        while feeds.join_next().await.is_some() {}
        nothing_held(engine).await;
    };
    tokio::select! {
        () = finished => {}
        () = engine.timer.sleep_until(grace_ends) => give_back_running(engine).await,
    }
    // A heartbeat behind the farewell would bring the entry back.
    beat.shutdown().await;
    tokio::select! {
        left = engine.transport.leave(&engine.stage.worker) => {
            if let Err(err) = left {
                tracing::debug!("could not leave the directory: {err}");
            }
        }
        () = engine.sleep(GOODBYE) => {}
    }
}

async fn give_back_running(engine: &Arc<Engine>) {
    for held in engine.queues.iter().flat_map(|q| q.held.all()) {
        held.stop(StopReason::Shutdown);
    }
    tokio::select! {
        () = nothing_held(engine) => return,
        () = engine.sleep(STOP_GRACE + STOP_GRACE / 2) => {}
    }
    // Handlers that block their thread do not even notice that they are dropped.
    for queue in &engine.queues {
        for held in queue.held.all() {
            let how = if held.is_suspect() { Conclusion::LetGo } else { Conclusion::GiveBack };
            engine.settle(queue, held, how);
        }
    }
    tokio::select! {
        () = nothing_held(engine) => {}
        () = engine.sleep(LAST_WRITES) => {
            let left: usize = engine.queues.iter().map(|q| q.held.len()).sum();
            tracing::warn!("{left} jobs could not be given back; they return when their lease ends");
        }
    }
}

async fn nothing_held(engine: &Engine) {
    join_all(engine.queues.iter().map(|q| q.held.empty())).await;
}
