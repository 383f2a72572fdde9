//! Saved data: the progress and the checkpoint of a running job.

use bytes::Bytes;
use naq_client::{Checkpoint, CheckpointError, Progress};
use naq_core::transport::{Delivery, Expect};

use crate::Subject;
use crate::case::Case;

fn checkpoint(case: &Case<'_>, delivery: &Delivery) -> Checkpoint {
    Checkpoint::new(case.transport.clone(), &delivery.envelope().unwrap(), delivery)
}

pub async fn a_checkpoint_is_not_overwritten_by_an_earlier_attempt(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let first = case.next_delivery(&mut sub).await;
    let mut early = checkpoint(&case, &first);
    assert_eq!(early.load::<u32>().await.unwrap(), None);
    early.save(&1, case.now()).await.unwrap();
    case.lose_lease().await;
    // The broker delivers the message again. The first attempt runs on, because it does not know
    // that.
    let mut late = checkpoint(&case, &case.next_delivery(&mut sub).await);
    assert_eq!(late.load().await.unwrap(), Some(1));
    // The first attempt may save until the later attempt has saved.
    early.save(&2, case.now()).await.unwrap();
    late.save(&3, case.now()).await.unwrap();
    let refused = early.save(&4, case.now()).await;
    assert!(matches!(refused, Err(CheckpointError::LeaseLost)), "{refused:?}");
    let refused = early.load::<u32>().await;
    assert!(matches!(refused, Err(CheckpointError::LeaseLost)), "{refused:?}");
    late.save(&5, case.now()).await.unwrap();
    // After the end of the job has removed the checkpoint, no attempt can save one.
    case.transport.state_remove(late.key(), Expect::Any).await.unwrap();
    let refused = late.save(&6, case.now()).await;
    assert!(matches!(refused, Err(CheckpointError::LeaseLost)), "{refused:?}");
}

pub async fn a_report_shows_the_saved_data_of_a_running_job(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let fresh = case.client.report(&case.key("a")).await.unwrap();
    assert_eq!((fresh.progress, fresh.checkpoint), (None, None));
    let delivery = case.next_delivery(&mut sub).await;
    let job = delivery.envelope().unwrap();
    checkpoint(&case, &delivery).save("half", case.now()).await.unwrap();
    let message = "halfway".to_owned();
    let at = case.now();
    let progress = Progress { done: 1, total: 2, message, attempt: 1, at };
    let value = Bytes::from(serde_json::to_vec(&progress).unwrap());
    let key = Progress::key(&job);
    let put = case.transport.state_put(&key, value, Expect::Any, Some(Progress::TTL));
    put.await.unwrap();
    let report = case.client.report(&case.key("a")).await.unwrap();
    assert_eq!(report.progress, Some(progress));
    let kept = report.checkpoint.unwrap();
    assert_eq!((kept.attempt, kept.bytes), (1, "\"half\"".len()));
    case.complete(&delivery).await;
    let report = case.client.report(&case.key("a")).await.unwrap();
    assert_eq!(
        (report.progress, report.checkpoint),
        (None, None),
        "removed with the end of the job"
    );
}
