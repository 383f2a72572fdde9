//! Jobs that are enqueued once, and follow-ups of dead jobs.

use naq_core::flow::FollowUp;
use naq_core::transport::{Place, Receipt};

use crate::Subject;
use crate::case::{AnyJobHandle, Case};

async fn once(case: &Case<'_>, id: &str) -> AnyJobHandle {
    case.client.enqueue_task("task", &[id]).unwrap().id(id).once().await.unwrap()
}

pub async fn a_job_enqueued_once_is_not_added_while_the_broker_knows_it(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    assert!(!once(&case, "a").await.is_duplicate());
    assert!(once(&case, "a").await.is_duplicate(), "it waits");
    let delivery = case.next_delivery(&mut sub).await;
    assert!(once(&case, "a").await.is_duplicate(), "it runs");
    case.complete(&delivery).await;
    case.expect_places("a", &[Place::Record]).await;
    let again = once(&case, "a").await;
    assert!(again.is_duplicate(), "it has ended");
    assert_eq!(again.result().await.unwrap(), Some("done".into()));

    case.enqueue("b").await;
    let delivery = case.next_delivery(&mut sub).await;
    let letter = case.dead(&delivery, "ValueError");
    case.settle(&delivery, &letter).await;
    assert!(once(&case, "b").await.is_duplicate(), "it is dead");
    let many = ["a", "b", "c", "c"]
        .map(|id| case.client.enqueue_task("task", &[id]).unwrap().id(id).once());
    let many = case.client.enqueue_many(many).await;
    let fresh: Vec<_> = many.iter().map(|sent| !sent.as_ref().unwrap().is_duplicate()).collect();
    assert_eq!(fresh[..2], [false, false]);
    // Of two jobs that are enqueued at the same time, the broker adds one.
    assert!(fresh[2] != fresh[3], "{fresh:?}");
}

pub async fn a_follow_up_is_stored_once_and_describes_the_death(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let job = case.client.enqueue_task("task", &[1, 2]).unwrap().id("a");
    job.on_exhausted_job(FollowUp::new("refund")).await.unwrap();
    let delivery = case.next_delivery(&mut sub).await;
    case.settle(&delivery, &case.dead(&delivery, "ValueError")).await;
    let dead = case.client.report(&case.key("a")).await.unwrap();
    let job = dead.envelope.unwrap();
    let letter = dead.dead.unwrap();
    let follow_up = job.on_exhausted.clone().unwrap();
    for expected in [true, false] {
        let submission = follow_up.submission(&letter, &job, true).unwrap();
        let receipt = case.transport.publish(submission).await.unwrap();
        assert_eq!(matches!(receipt, Receipt::Stored(_)), expected, "{receipt:?}");
    }
    let follower = case.next_delivery(&mut sub).await.envelope().unwrap();
    assert_eq!(follower.task.as_str(), "refund");
    let args: serde_json::Value = follower.args.decode().unwrap();
    assert_eq!((&args["job"], &args["args"]), (&"a".into(), &serde_json::json!([1, 2])));
    assert_eq!(args["error_kind"], "ValueError");
}
