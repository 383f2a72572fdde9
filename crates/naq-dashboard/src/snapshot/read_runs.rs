//! Reads which worker runs which job, at a bounded cost.

use std::sync::Arc;
use std::time::Duration;

use naq_client::{Client, Run, Runs};

use super::Snapshot;
use super::with_timeout::with_timeout;

/// With more runs than this, the lists are read at every fifth read only.
const MANY: usize = 2_000;
const SELDOM: u64 = 5;
/// The runs whose progress is read, those that started first.
const MAX_PROGRESS: usize = 200;
/// The progress of a shorter run is of no use to a person.
const SHORT: Duration = Duration::from_secs(2);

impl Snapshot {
    /// A user without the permission for these requests still gets the rest.
    pub(super) async fn read_runs(&mut self, client: &Client) {
        if self.runs.all().len() > MANY && self.version % SELDOM != 1 {
            return;
        }
        let Ok(mut runs) = with_timeout(client.runs()).await else { return };
        add_progress(&mut runs, client).await;
        self.runs = Arc::new(runs);
    }
}

async fn add_progress(runs: &mut Runs, client: &Client) {
    let now = client.now();
    let is_long = |run: &Run| run.started_at.is_some_and(|at| now.since(at) > SHORT);
    let _ = with_timeout(client.add_progress(runs, MAX_PROGRESS, is_long)).await;
}
