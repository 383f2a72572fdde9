//! One job kills its worker whenever it runs. The jobs that ran beside it live.

use std::time::Duration;

use naq_core::JobState;
use naq_core::RetryPolicy;
use naq_core::transport::JobKey;
use naq_faults::job::ScriptedJob;
use naq_faults::script::{DelayPattern, Script};
use naq_testing::eventually;

use crate::setup::TestSetup;

/// One run of each job after the other, and the leases between them.
const TIME_LIMIT: Duration = Duration::from_secs(120);
const INNOCENTS: usize = 9;

#[tokio::test]
async fn one_job_that_kills_its_workers_does_not_take_its_nine_neighbours_along() {
    let setup = TestSetup::new("apart").await;
    let client = setup.client();
    let enqueue = async |id: String, script: Script| {
        let job = ScriptedJob { script, pace: DelayPattern::Fixed };
        let sent = client.enqueue(job).id(&id).policy(RetryPolicy::default()).await;
        sent.expect("enqueued");
        format!("{}/{id}", setup.queue).parse::<JobKey>().expect("a key")
    };
    let mut worker = setup.worker_with("w0", None, &["--concurrency", "10"]);
    let mut innocents = Vec::new();
    for _ in 0..INNOCENTS {
        let id = naq_testing::unique("innocent");
        innocents.push(enqueue(id, Script::Slow { ms: 3_000 }).await);
    }
    eventually("all to run", TIME_LIMIT, async || {
        let history = setup.history();
        innocents.iter().all(|job| !history.runs(job.id.as_str()).is_empty())
    })
    .await;
    let killer = enqueue(naq_testing::unique("killer"), Script::Poison).await;

    let mut workers = 1;
    eventually("ten ends", TIME_LIMIT, async || {
        if worker.try_wait().expect("a process").is_some() {
            worker = setup.worker_with(&format!("w{workers}"), None, &["--concurrency", "10"]);
            workers += 1;
        }
        for job in innocents.iter().chain([&killer]) {
            let state = client.report(job).await.expect("a report").state;
            if !state.is_final() {
                return Err(format!("{job} is {state:?}"));
            }
        }
        Ok(())
    })
    .await;
    // The first death is counted if the worker could list the killer before it died.
    assert!((4..=5).contains(&workers), "it killed three or four workers, not {workers}");
    let end = client.report(&killer).await.expect("a report");
    let rule = end.dead.expect("a dead letter").rule;
    assert_eq!((end.state, rule.as_str()), (JobState::Dead, "max_crashes"));
    let mut again = 0;
    for job in &innocents {
        let report = client.report(job).await.expect("a report");
        let crashes = report.envelope.expect("readable").crashes;
        assert_eq!(report.state, JobState::Completed, "{job}");
        again += crashes - 1;
    }
    // If the first death was not counted, the killer met one of them once more.
    assert!(again <= 1, "{again} crashes more than one for each");
}
