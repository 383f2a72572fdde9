//! Stores the list of the attempts that a worker runs, again and again, for as long as it lives.

use std::sync::Arc;

use crate::engine::WorkerState;
use crate::outage::Outage;

/// Stores the list until the worker ends. A worker that stores none is gone for the others.
pub(super) async fn run_list_loop(worker: Arc<WorkerState>) {
    let mut outage = Outage::new("the list of the jobs that run here");
    let board = &worker.run_board;
    loop {
        let stored = worker.store_run_list().await;
        let idle = matches!(stored, Ok(false));
        match stored {
            Ok(_) => outage.recovered(worker.now()),
            Err(err) => drop(outage.failed(&err, worker.now())),
        }
        if idle {
            tokio::select! {
                () = board.next_run() => {}
                () = worker.sleep(board.idle_interval()) => {}
            }
        } else {
            worker.sleep(board.interval()).await;
        }
    }
}
