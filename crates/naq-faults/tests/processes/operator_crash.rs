//! Whoever acts on a job from outside dies between two steps, on a real broker: nothing is lost,
//! nothing is doubled, and doing it again finishes it.

use naq_core::JobState;
use naq_faults::script::Script;

use crate::support::{PATIENCE, Scene, died};

/// Far beyond any test.
const LONG_MS: u64 = 3_600_000;

#[tokio::test]
async fn a_cancel_that_dies_half_way_shows_as_cancelled_and_is_finished_by_repeating_it() {
    let cancel = async |die: &str, repeats: bool| {
        let scene = Scene::new("cancel").await;
        let _worker = scene.worker("worker", None);
        let job = scene.enqueue(Script::Succeed, LONG_MS).await;
        died(scene.operator("cancel", &job, Some(die))).await;
        if repeats {
            assert_eq!(scene.held(&job).await.ends[0].state, JobState::Cancelled, "{die}");
            let mut again = scene.operator("cancel", &job, None);
            assert!(again.wait(PATIENCE).await.unwrap().success(), "{die}: {}", again.stderr());
        }
        assert_eq!(scene.end(&job).await.state, JobState::Cancelled, "{die}");
        assert_eq!(scene.runs(&job), [], "{die}");
    };
    tokio::join!(
        cancel("after-record", true),
        cancel("before-remove", true),
        cancel("after-remove", false),
    );
}

#[tokio::test]
async fn a_cancel_that_dies_before_its_record_has_done_nothing() {
    let scene = Scene::new("cancel").await;
    let job = scene.enqueue(Script::Succeed, 1_000).await;
    died(scene.operator("cancel", &job, Some("before-record"))).await;
    let _worker = scene.worker("worker", None);
    assert_eq!(scene.end(&job).await.state, JobState::Completed);
    assert_eq!(scene.runs(&job).len(), 1);
}

#[tokio::test]
async fn a_requeue_that_dies_and_is_repeated_begins_one_new_life() {
    let requeue = async |die: &str, repeats: bool| {
        let scene = Scene::new("requeue").await;
        let job = scene.enqueue(Script::Fatal, 0).await;
        let _worker = scene.worker("worker", None);
        let first = scene.end(&job).await;
        died(scene.operator("requeue", &job, Some(die))).await;
        if repeats {
            let mut again = scene.operator("requeue", &job, None);
            let status = again.wait(PATIENCE).await.unwrap();
            assert!(status.success(), "{die}: {}", again.stderr());
        }
        // It dies again, once: the second letter is the only one.
        let wait = naq_testing::eventually("a second death", PATIENCE, async || {
            scene.end(&job).await.at > first.at
        });
        wait.await;
        scene.quiet().await;
        assert_eq!(scene.held(&job).await.ends.len(), 1, "{die}");
        assert_eq!(scene.runs(&job).len(), 2, "{die}");
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
        let scene = Scene::new("now").await;
        let _worker = scene.worker("worker", None);
        let job = scene.enqueue(Script::Succeed, LONG_MS).await;
        died(scene.operator("retry-now", &job, Some(die))).await;
        if repeats {
            let mut again = scene.operator("retry-now", &job, None);
            assert!(again.wait(PATIENCE).await.unwrap().success(), "{}", again.stderr());
        }
        assert_eq!(scene.end(&job).await.state, JobState::Completed, "{die}");
        assert_eq!(scene.runs(&job).len(), 1, "{die}");
    };
    tokio::join!(retry_now("before-release", true), retry_now("after-release", false));
}
