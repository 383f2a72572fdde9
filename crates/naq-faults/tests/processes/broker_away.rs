//! The broker is away for longer than a lease while a job runs. No worker has died, so nothing of that is a
//! crash, and the run goes on.

use std::time::Duration;

use naq_core::{Clock, JobState, SystemClock, Timer};
use naq_faults::plan::LEASE_MS;
use naq_faults::script::{Script, ScriptStep};
use naq_testing::NatsServer;

use crate::setup::{TIME_LIMIT, TestSetup};

/// Longer than the lease, so that the broker delivers again as soon as it is back.
const OUTAGE: Duration = Duration::from_millis(LEASE_MS + 1_500);
/// Longer than two outages.
const RUN_MS: u64 = 4 * LEASE_MS + 3_000;

#[tokio::test]
async fn outages_that_outlast_the_lease_are_no_crashes_and_the_run_goes_on() {
    let mut server = NatsServer::start().expect("a server");
    let setup = TestSetup::at(server.url(), "away").await;
    let mut first = setup.worker("first", None);
    first.wait_for_output("working on", TIME_LIMIT).await.expect("it starts");
    let job = setup.enqueue(Script::Slow { ms: RUN_MS }, 0).await;
    setup.started(&job).await;
    let mut second = setup.worker("second", None);
    second.wait_for_output("working on", TIME_LIMIT).await.expect("it starts");
    for _ in 0..2 {
        server.kill().expect("killed");
        SystemClock.sleep_until(SystemClock.now() + OUTAGE).await;
        server.restart().expect("restarted");
    }
    let end = setup.end(&job).await;
    assert_eq!((end.state, end.step), (JobState::Completed, ScriptStep::attempt(1)));
    assert_eq!(end.crashes, 0, "no worker died");
    assert_eq!(setup.runs(&job).len(), 1, "the run goes on: {:?}", setup.runs(&job));
}
