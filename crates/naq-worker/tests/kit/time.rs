//! Time passes only when the test moves the clock.

use naq_core::retry::RetryPolicy;
use naq_core::{Clock, JobState};
use naq_worker::testing::Harness;

use crate::app::{App, DAY, Import, Odd, harness, registry, secs, sign_up};

fn import(succeeds_at: u32) -> Import {
    Import { file: "a".into(), succeeds_at }
}

#[tokio::test]
async fn a_drain_runs_what_is_due_and_the_jobs_that_these_enqueue() {
    let (harness, app) = harness();
    let now = harness.client().enqueue(import(1)).await.unwrap();
    let later = harness.client().enqueue(import(2)).await.unwrap();
    let at_once = harness.client().enqueue(import(3)).retry_delay(secs(0)).await.unwrap();
    harness.drain().await;
    assert_eq!(harness.job(&now).result::<u32>(), 1);
    harness.job(&later).assert_retries_in(secs(2)).assert_failed("IOError");
    harness.job(&at_once).assert_attempts(3);
    assert_eq!(app.log(), ["a 1", "a 1", "a 1", "a 2", "a 3", "welcome a", "welcome a"]);
    assert_eq!(harness.elapsed(), secs(0));
}

#[tokio::test]
async fn time_passes_from_one_due_time_to_the_next() {
    let (harness, app) = harness();
    let job = harness.client().enqueue(import(9)).await.unwrap();
    for (passed, attempts) in [(0, 1), (1, 1), (1, 2), (3, 2), (1, 3), (8, 4), (15, 4), (1, 5)] {
        harness.pass(secs(passed)).await;
        assert_eq!(app.log().len(), attempts, "{}", harness.now());
    }
    harness.job(&job).assert_dead("IOError").assert_delays([2, 4, 8, 16].map(secs));
    // Each began when it was due.
    let ended: Vec<_> = harness.job(&job).history().iter().map(|it| it.ended_at.unwrap()).collect();
    let gaps: Vec<_> = ended.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert_eq!(gaps, [2, 4, 8, 16].map(secs));
}

#[tokio::test]
async fn weeks_of_retries_pass_at_once_and_the_same_way_every_time() {
    let policy: RetryPolicy =
        "exponential:1m,max_retries=25,max_delay=2d,jitter=equal".parse().unwrap();
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (harness, app) = harness();
        let jobs =
            ["x", "y", "z"].map(|id| harness.client().enqueue(import(99)).id(id).policy(&policy));
        for job in jobs {
            job.await.unwrap();
        }
        let fine = harness.client().enqueue(Odd("fine".into())).await.unwrap();
        harness.run_to_end().await;
        for id in ["imports/x", "imports/y", "imports/z"] {
            harness.job(id).assert_dead("IOError").assert_attempts(26);
        }
        harness.job(&fine).assert_completed();
        assert!(harness.elapsed() > 14 * DAY, "{:?}", harness.elapsed());
        runs.push((app.log(), harness.elapsed(), harness.job("imports/x").delays()));
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn a_job_that_is_due_tomorrow_runs_tomorrow() {
    let (harness, app) = harness();
    sign_up(harness.client(), "ada").await.unwrap();
    harness.pass(DAY - secs(1)).await;
    assert_eq!(app.log(), ["welcome ada"]);
    harness.pass(secs(1)).await;
    assert_eq!(app.log(), ["welcome ada", "ada.csv 1", "welcome ada.csv"]);
}

#[tokio::test]
async fn a_job_that_comes_too_late_has_expired() {
    let (harness, app) = harness();
    let job = harness.client().enqueue(Odd("late".into())).expires_in(secs(60)).await.unwrap();
    harness.clock().advance(secs(61)).await;
    harness.drain().await;
    harness.job(&job).assert_expired().assert_attempts(0);
    assert!(app.log().is_empty());
}

#[tokio::test]
async fn a_job_that_snoozes_or_is_in_a_thread_is_waited_for() {
    let (harness, _) = harness();
    let snooze = harness.client().enqueue(Odd("snooze".into())).await.unwrap();
    let busy = harness.client().enqueue(Odd("busy".into())).await.unwrap();
    harness.run_to_end().await;
    harness.job(&snooze).assert_completed().assert_attempts(1);
    assert_eq!(harness.job(&busy).result::<String>(), "in a thread");
    assert_eq!(harness.elapsed(), secs(60));
}

#[tokio::test]
async fn jobs_of_a_paused_queue_run_when_its_pause_ends() {
    let (harness, app) = harness();
    let job = harness.client().enqueue(Odd("a".into())).await.unwrap();
    let transport = harness.client().transport().clone();
    transport.pause(job.queue(), harness.clock().now() + secs(60)).await.unwrap();
    harness.drain().await;
    assert!(app.log().is_empty());
    harness.run_to_end().await;
    harness.job(&job).assert_completed();
    assert_eq!(harness.elapsed(), secs(60));
}

#[tokio::test]
async fn a_worker_of_some_queues_does_not_touch_the_others() {
    let app = App::default();
    let harness = Harness::new(registry(&app)).worker(|worker| worker.queue("mail"));
    let job = harness.client().enqueue(import(1)).await.unwrap();
    harness.run_to_end().await;
    harness.job(&job).assert_state(JobState::Pending);
    sign_up(harness.client(), "ada").await.unwrap();
    harness.run_to_end().await;
    assert_eq!(app.log(), ["welcome ada"]);
}

#[tokio::test]
async fn a_job_waits_for_its_parents_and_their_retries() {
    let (harness, app) = harness();
    let first = harness.client().enqueue(import(3)).await.unwrap();
    let second = harness.client().enqueue(Odd("second".into())).depends_on(&first).await.unwrap();
    harness.drain().await;
    harness.job(&second).assert_state(JobState::Blocked);
    harness.run_to_end().await;
    harness.job(&second).assert_completed();
    assert_eq!(app.log(), ["a 1", "a 2", "a 3", "welcome a", "second"]);
    assert_eq!(harness.elapsed(), secs(2 + 4));
}

#[tokio::test]
async fn a_schedule_runs_by_the_same_clock() {
    let (harness, app) = harness();
    let hour = secs(3600);
    harness.client().schedule("hourly").every(hour).job(Odd("tick".into())).await.unwrap();
    harness.pass(hour - secs(1)).await;
    assert!(app.log().is_empty());
    harness.pass(DAY).await;
    assert_eq!(app.log().len(), 24);
    let runs = harness.assert_enqueued::<Odd>().times(24);
    assert_eq!(runs[1].at.since(runs[0].at), hour);
    // A schedule without an end does not keep the harness from ending.
    harness.run_to_end().await;
    assert_eq!(harness.elapsed(), DAY + hour - secs(1));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "no job has ended for 10s of real time; running: 1 on \"default\"")]
async fn a_handler_that_never_ends_is_a_panic() {
    let (harness, _) = harness();
    harness.client().enqueue(Odd("hang".into())).await.unwrap();
    harness.drain().await;
}

#[tokio::test]
async fn a_timeout_comes_when_the_clock_is_moved_meanwhile() {
    let (harness, _) = harness();
    let hang = harness.client().enqueue(Odd("hang".into())).timeout(secs(30)).max_retries(0);
    let job = hang.await.unwrap();
    tokio::join!(harness.drain(), harness.clock().advance(secs(30)));
    harness.job(&job).assert_dead("TimeoutError");
}
