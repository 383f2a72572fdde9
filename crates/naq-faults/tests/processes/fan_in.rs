//! One job after a thousand, a fifth of which fail at first, while workers are killed.

use std::time::Duration;

use naq_core::JobState;
use naq_core::transport::JobKey;
use naq_faults::job::Scripted;
use naq_faults::script::{Pace, Script};
use naq_testing::eventually;

use crate::support::Scene;

const PATIENCE: Duration = Duration::from_secs(120);
/// Jobs before the one.
const STEADY: usize = 800;
const FLAKY: usize = 100;
/// Kills end while so many of them have yet to run, so that none hits the one job itself.
const LEFT: usize = 100;

#[tokio::test]
async fn a_job_after_a_thousand_starts_once_after_the_last_end_while_workers_are_killed() {
    let scene = Scene::new("fan-in").await;
    let mut parents = scene.enqueue_many(Script::Slow { ms: 200 }, STEADY).await;
    for failures in [1, 2] {
        parents.extend(scene.enqueue_many(Script::FailThenSucceed { failures }, FLAKY).await);
    }
    let keys: Vec<JobKey> = parents
        .iter()
        .map(|job| format!("{}/{}", job.queue, job.id).parse().expect("a key"))
        .collect();
    let last = naq_testing::unique("last");
    let client = scene.client();
    let job = Scripted { script: Script::Succeed, pace: Pace::Fixed };
    let policy = job.script.policy(job.pace);
    let sent = client.enqueue(job).id(&last).policy(&policy).depends_on(&keys[..]).await;
    sent.expect("enqueued");

    let mut lives = 0;
    let mut worker = |place: usize| {
        lives += 1;
        scene.worker(&format!("w{place}-{lives}"), None)
    };
    let mut workers: Vec<_> = (0..3).map(&mut worker).collect();
    let mut kills = 0;
    loop {
        let before = ran(&scene, &parents);
        eventually("more jobs", PATIENCE, async || {
            ran(&scene, &parents) >= (before + 120).min(parents.len() - LEFT)
        })
        .await;
        if ran(&scene, &parents) >= parents.len() - LEFT {
            break;
        }
        let place = kills % workers.len();
        workers[place].kill().expect("killed");
        workers[place] = worker(place);
        kills += 1;
    }
    assert!(kills >= 3, "only {kills} workers were killed");

    eventually("the end of the last job", PATIENCE, async || {
        let report = client.report(&key(&scene, &last)).await.expect("a report");
        (report.state == JobState::Completed).then_some(()).ok_or(format!("{:?}", report.state))
    })
    .await;
    let history = scene.history();
    let runs = history.runs(&last);
    assert_eq!(runs.len(), 1, "it started once: {runs:?}");
    let held = scene.held_all(&parents).await;
    for job in &parents {
        let ends: Vec<JobState> = held[&job.id].ends.iter().map(|end| end.state).collect();
        assert_eq!(ends, [JobState::Completed], "{}", job.id);
        let finish = history.runs(&job.id).iter().filter_map(|run| run.finish).max();
        assert!(finish.expect("it ran") <= runs[0].start, "{} ended after the start", job.id);
    }
}

/// Of how many the handler has come to an end, at whatever attempt.
fn ran(scene: &Scene, jobs: &[naq_faults::plan::PlannedJob]) -> usize {
    let history = scene.history();
    let ended = |id: &str| history.runs(id).iter().any(|run| run.finish.is_some());
    jobs.iter().filter(|job| ended(&job.id)).count()
}

fn key(scene: &Scene, id: &str) -> JobKey {
    format!("{}/{id}", scene.queue).parse().expect("a key")
}
