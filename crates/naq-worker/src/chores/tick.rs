//! The handler of `naq.tick`: takes the turn of a schedule.

use std::sync::Arc;
use std::time::Duration;

use naq_client::{ScheduleChore, ScheduleError};
use naq_core::{ErrorKind, Failure};

use crate::engine::WorkerState;
use crate::handler::Context;

/// The delay of a schedule that this version cannot read. Another worker may be able to.
const UNREADABLE_DELAY: Duration = Duration::from_secs(60);
/// How often a worker checks that every schedule has its chore.
const CHECK_EVERY: Duration = Duration::from_secs(3600);

/// Takes the turn, and snoozes until the next one. The chore ends when the schedule is gone or has
/// no more turns.
pub(super) async fn run_tick(chore: ScheduleChore, cx: Context) -> Result<(), Failure> {
    let client = cx.client();
    match client.schedules().take_turn(&chore.schedule).await {
        Ok(Some(next)) => Err(Failure::snooze(next.since(client.now()))),
        Ok(None) => Ok(()),
        Err(err @ ScheduleError::Unreadable { .. }) => {
            tracing::warn!("{err}; its ticks wait for a worker that can read it");
            Err(Failure::snooze(UNREADABLE_DELAY))
        }
        Err(err) => Err(Failure::new(ErrorKind::CONNECTION, err.to_string())),
    }
}

/// Makes sure that every schedule has its chore, now and every hour. A chore may have been purged,
/// or the program that created the schedule died before it enqueued the chore.
pub(super) async fn ensure_loop(worker: Arc<WorkerState>) {
    loop {
        match worker.deps.client.schedules().ensure_all().await {
            Ok(count) => tracing::debug!("{count} schedules have their chores"),
            Err(err) => tracing::debug!("the chores of schedules cannot be checked: {err}"),
        }
        worker.sleep(CHECK_EVERY).await;
    }
}
