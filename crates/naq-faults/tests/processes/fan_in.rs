//! One job depends on a thousand others. A fifth of these fail at first, and the test kills workers
//! while they run.

use std::time::Duration;

use naq_core::JobState;
use naq_core::transport::JobKey;
use naq_faults::job::ScriptedJob;
use naq_faults::script::{DelayPattern, Script};
use naq_testing::eventually;

use crate::setup::TestSetup;

const TIME_LIMIT: Duration = Duration::from_secs(120);
/// The number of parents that succeed at once.
const STEADY: usize = 800;
/// The number of parents that fail once, and of those that fail twice.
const FLAKY: usize = 100;
/// The last kill happens before this many parents are left, so that no kill affects the dependent.
const LEFT: usize = 100;

#[tokio::test]
async fn a_job_with_a_thousand_parents_starts_once_after_the_last_end_while_workers_are_killed() {
    let setup = TestSetup::new("fan-in").await;
    let mut parents = setup.enqueue_many(Script::Slow { ms: 200 }, STEADY).await;
    for failures in [1, 2] {
        parents.extend(setup.enqueue_many(Script::FailThenSucceed { failures }, FLAKY).await);
    }
    let keys: Vec<JobKey> = parents
        .iter()
        .map(|job| format!("{}/{}", job.queue, job.id).parse().expect("a key"))
        .collect();
    let last = naq_testing::unique("last");
    let client = setup.client();
    let job = ScriptedJob { script: Script::Succeed, pace: DelayPattern::Fixed };
    let policy = job.script.policy(job.pace);
    let sent = client.enqueue(job).id(&last).policy(&policy).depends_on(&keys[..]).await;
    sent.expect("enqueued");

    let mut starts = 0;
    let mut worker = |place: usize| {
        starts += 1;
        setup.worker(&format!("w{place}-{starts}"), None)
    };
    let mut workers: Vec<_> = (0..3).map(&mut worker).collect();
    let mut kills = 0;
    loop {
        let before = count_finished(&setup, &parents);
        eventually("more jobs", TIME_LIMIT, async || {
            count_finished(&setup, &parents) >= (before + 120).min(parents.len() - LEFT)
        })
        .await;
        if count_finished(&setup, &parents) >= parents.len() - LEFT {
            break;
        }
        let place = kills % workers.len();
        workers[place].kill().expect("killed");
        workers[place] = worker(place);
        kills += 1;
    }
    assert!(kills >= 3, "only {kills} workers were killed");

    eventually("the dependent to end", TIME_LIMIT, async || {
        let report = client.report(&key(&setup, &last)).await.expect("a report");
        (report.state == JobState::Completed).then_some(()).ok_or(format!("{:?}", report.state))
    })
    .await;
    let history = setup.history();
    let runs = history.runs(&last);
    assert_eq!(runs.len(), 1, "the dependent started once: {runs:?}");
    let stored = setup.stored_jobs(&parents).await;
    for job in &parents {
        let ends: Vec<JobState> = stored[&job.id].ends.iter().map(|end| end.state).collect();
        assert_eq!(ends, [JobState::Completed], "{}", job.id);
        let finish = history.runs(&job.id).iter().filter_map(|run| run.finish).max();
        assert!(finish.expect("it ran") <= runs[0].start, "{} ended after the start", job.id);
    }
}

/// How many of the jobs have a finished handler run, of any attempt.
fn count_finished(setup: &TestSetup, jobs: &[naq_faults::plan::PlannedJob]) -> usize {
    let history = setup.history();
    let ended = |id: &str| history.runs(id).iter().any(|run| run.finish.is_some());
    jobs.iter().filter(|job| ended(&job.id)).count()
}

fn key(setup: &TestSetup, id: &str) -> JobKey {
    format!("{}/{id}", setup.queue).parse().expect("a key")
}
