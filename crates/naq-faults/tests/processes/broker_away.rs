//! The broker is away for longer than a lease while a job runs. No worker has died, so that is no crash.

use std::time::Duration;

use naq_core::{Clock, JobState, SystemClock, Timer};
use naq_faults::plan::LEASE_MS;
use naq_faults::script::{Script, ScriptStep};
use naq_testing::{NatsServer, eventually};

use crate::setup::{TIME_LIMIT, TestSetup};

/// Longer than the lease, so that the broker delivers again as soon as it is back.
const OUTAGE: Duration = Duration::from_millis(LEASE_MS + 1_500);
/// Longer than a lease, so that each outage comes while the job runs.
const RUN_MS: u64 = 2 * LEASE_MS;

#[tokio::test]
async fn outages_that_outlast_the_lease_are_no_crashes() {
    let mut server = NatsServer::start().expect("a server");
    let setup = TestSetup::at(server.url(), "away").await;
    let mut first = setup.worker("first", None);
    first.wait_for_output("working on", TIME_LIMIT).await.expect("it starts");
    let job = setup.enqueue(Script::Slow { ms: RUN_MS }, 0).await;
    setup.started(&job).await;
    let mut second = setup.worker("second", None);
    second.wait_for_output("working on", TIME_LIMIT).await.expect("it starts");
    for run in 1..=2 {
        eventually("the next run", TIME_LIMIT, async || setup.runs(&job).len() >= run).await;
        server.kill().expect("killed");
        SystemClock.sleep_until(SystemClock.now() + OUTAGE).await;
        server.restart().expect("restarted");
    }
    let end = setup.end(&job).await;
    assert_eq!((end.state, end.step), (JobState::Completed, ScriptStep::attempt(1)));
    assert_eq!(end.crashes, 0, "no worker died");
}
