//! An operator's process dies between two steps of an action, on a real broker. No job is lost and no
//! step is done twice. When the operator repeats the action, it is completed.

use naq_core::JobState;
use naq_faults::script::Script;

use crate::setup::{TIME_LIMIT, TestSetup, died};

/// Longer than any test takes.
const LONG_MS: u64 = 3_600_000;

#[tokio::test]
async fn a_cancel_that_dies_half_way_shows_as_cancelled_and_can_be_repeated() {
    let cancel = async |die: &str, repeats: bool| {
        let setup = TestSetup::new("cancel").await;
        let _worker = setup.worker("worker", None);
        let job = setup.enqueue(Script::Succeed, LONG_MS).await;
        died(setup.operator("cancel", &job, Some(die))).await;
        if repeats {
            assert_eq!(setup.stored_job(&job).await.ends[0].state, JobState::Cancelled, "{die}");
            let mut again = setup.operator("cancel", &job, None);
            assert!(again.wait(TIME_LIMIT).await.unwrap().success(), "{die}: {}", again.stderr());
        }
        assert_eq!(setup.end(&job).await.state, JobState::Cancelled, "{die}");
        assert_eq!(setup.runs(&job), [], "{die}");
    };
    tokio::join!(
        cancel("after-record", true),
        cancel("before-remove", true),
        cancel("after-remove", false),
    );
}

#[tokio::test]
async fn a_cancel_that_dies_before_its_record_has_no_effect() {
    let setup = TestSetup::new("cancel").await;
    let job = setup.enqueue(Script::Succeed, 1_000).await;
    died(setup.operator("cancel", &job, Some("before-record"))).await;
    let _worker = setup.worker("worker", None);
    assert_eq!(setup.end(&job).await.state, JobState::Completed);
    assert_eq!(setup.runs(&job).len(), 1);
}

#[tokio::test]
async fn a_requeue_that_dies_and_is_repeated_starts_one_new_life() {
    let requeue = async |die: &str, repeats: bool| {
        let setup = TestSetup::new("requeue").await;
        let job = setup.enqueue(Script::Fatal, 0).await;
        let _worker = setup.worker("worker", None);
        let first = setup.end(&job).await;
        died(setup.operator("requeue", &job, Some(die))).await;
        if repeats {
            let mut again = setup.operator("requeue", &job, None);
            let status = again.wait(TIME_LIMIT).await.unwrap();
            assert!(status.success(), "{die}: {}", again.stderr());
        }
        // The job dies again, once: its second dead letter is the only one.
        let wait = naq_testing::eventually("a second death", TIME_LIMIT, async || {
            setup.end(&job).await.at > first.at
        });
        wait.await;
        setup.wait_until_empty().await;
        assert_eq!(setup.stored_job(&job).await.ends.len(), 1, "{die}");
        assert_eq!(setup.runs(&job).len(), 2, "{die}");
    };
    tokio::join!(
        requeue("before-publish", true),
        requeue("after-publish", true),
        requeue("before-remove", true),
        requeue("after-remove", false),
    );
}

#[tokio::test]
async fn a_retry_now_that_dies_starts_the_job_once() {
    let retry_now = async |die: &str, repeats: bool| {
        let setup = TestSetup::new("now").await;
        let _worker = setup.worker("worker", None);
        let job = setup.enqueue(Script::Succeed, LONG_MS).await;
        died(setup.operator("retry-now", &job, Some(die))).await;
        if repeats {
            let mut again = setup.operator("retry-now", &job, None);
            assert!(again.wait(TIME_LIMIT).await.unwrap().success(), "{}", again.stderr());
        }
        assert_eq!(setup.end(&job).await.state, JobState::Completed, "{die}");
        assert_eq!(setup.runs(&job).len(), 1, "{die}");
    };
    tokio::join!(retry_now("before-release", true), retry_now("after-release", false));
}
