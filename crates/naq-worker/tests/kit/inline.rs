//! One attempt of one job.

use naq_core::{JobState, RetryPolicy};
use naq_worker::testing::{self, Run};

use crate::app::{App, Import, Odd, registry, secs};

fn run(app: &App, what: &str) -> Run<Odd> {
    testing::run(&registry(app), Odd(what.into()))
}

fn import(app: &App, succeeds_at: u32) -> Run<Import> {
    testing::run(&registry(app), Import { file: "a".into(), succeeds_at })
}

#[tokio::test]
async fn the_answer_is_the_job_after_its_attempt() {
    let app = App::default();
    assert_eq!(import(&app, 1).await.result::<u32>(), 1);
    import(&app, 2).await.assert_failed("IOError").assert_retries_in(secs(2)).assert_attempts(1);
    import(&app, 9).attempt(3).await.assert_retries_in(secs(8));
    import(&app, 9).attempt(5).await.assert_dead("IOError");
    assert_eq!(app.log(), ["a 1", "a 1", "a 3", "a 5"]);
    run(&app, "panic").await.assert_failed("Panic").assert_retries_in(secs(5));
    run(&app, "fatal").await.assert_dead("ValueError");
    run(&app, "cancel").await.assert_cancelled();
    run(&app, "snooze").await.assert_state(JobState::Retrying).assert_attempts(0);
    assert_eq!(run(&app, "busy").await.result::<String>(), "in a thread");
}

#[tokio::test]
async fn the_options_are_those_of_the_type_unless_the_test_sets_others() {
    let app = App::default();
    let policy: RetryPolicy = "fixed:7s".parse().unwrap();
    import(&app, 9).policy(policy).await.assert_retries_in(secs(7));
    let once = import(&app, 9).with(|enqueue| enqueue.max_retries(0).queue("other")).await;
    once.assert_dead("IOError");
    assert_eq!(once.report().key.queue.as_str(), "other");
    let later = import(&app, 1).with(|enqueue| enqueue.delay(secs(60)).unique("a")).await;
    later.assert_completed();
}

#[tokio::test]
async fn a_retry_without_a_delay_does_not_run_too() {
    let app = App::default();
    let policy: RetryPolicy = "fixed:0s,max_retries=5".parse().unwrap();
    import(&app, 9).policy(policy).await.assert_attempts(1).assert_delays([secs(0)]);
    assert_eq!(app.log(), ["a 1"]);
}

#[tokio::test]
#[should_panic(expected = "its retry is in 2s, not in 3s. What happened:\n  attempt 1 failed at \
    2026-01-01T00:00:00.000Z with IOError: not there yet\n    attempt 1 of 5 failed with IOError: \
    retry 1 in 2s (exponential)\n  next at 2026-01-01T00:00:02.000Z\n  now it is \
    2026-01-01T00:00:00.000Z")]
async fn a_panic_shows_the_whole_history() {
    import(&App::default(), 2).await.assert_retries_in(secs(3));
}
