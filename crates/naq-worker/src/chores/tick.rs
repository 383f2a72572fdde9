//! The handler of `naq.tick`: a schedule's turn has come.

use std::sync::Arc;
use std::time::Duration;

use naq_client::{ScheduleChore, ScheduleError};
use naq_core::{ErrorKind, Failure};

use crate::Context;
use crate::engine::Engine;

/// A schedule that this version cannot read may be one for the worker beside it.
const UNREADABLE: Duration = Duration::from_secs(60);
/// How often a worker looks whether every schedule has its chore.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// Takes the turn, and waits for the next: the broker keeps this very job until then. Without a
/// schedule, or with one that has no more to come, it has done its work.
pub(super) async fn tick(chore: ScheduleChore, cx: Context) -> Result<(), Failure> {
    let client = cx.client();
    match client.schedules().take_turn(&chore.schedule).await {
        Ok(Some(next)) => Err(Failure::snooze(next.since(client.now()))),
        Ok(None) => Ok(()),
        Err(err @ ScheduleError::Unreadable { .. }) => {
            tracing::warn!("{err}; left alone, its ticks wait for a worker that can read it");
            Err(Failure::snooze(UNREADABLE))
        }
        Err(err) => Err(Failure::new(ErrorKind::CONNECTION, err.to_string())),
    }
}

/// Sees to it that every schedule has its chore, now and every hour: one may have been purged, or
/// its maker died before it was enqueued.
pub(super) async fn watch(engine: Arc<Engine>) {
    loop {
        match engine.stage.client.schedules().ensure_all().await {
            Ok(count) => tracing::debug!("{count} schedules have their chores"),
            Err(err) => tracing::debug!("schedules cannot be looked at: {err}"),
        }
        engine.sleep(LOOK_EVERY).await;
    }
}
