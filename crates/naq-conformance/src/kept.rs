//! What handlers keep of a job while it runs: its progress, its checkpoint.

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
    let first = case.one(&mut sub).await;
    let mut early = checkpoint(&case, &first);
    assert_eq!(early.load::<u32>().await.unwrap(), None);
    early.save(&1, case.now()).await.unwrap();
    case.lose_lease().await;
    // The same message again, and nobody has told the first attempt.
    let mut late = checkpoint(&case, &case.one(&mut sub).await);
    assert_eq!(late.load().await.unwrap(), Some(1));
    // It has done more: that counts, until the later attempt has its say.
    early.save(&2, case.now()).await.unwrap();
    late.save(&3, case.now()).await.unwrap();
    let refused = early.save(&4, case.now()).await;
    assert!(matches!(refused, Err(CheckpointError::LeaseLost)), "{refused:?}");
    let refused = early.load::<u32>().await;
    assert!(matches!(refused, Err(CheckpointError::LeaseLost)), "{refused:?}");
    late.save(&5, case.now()).await.unwrap();
    // Removed at the end of the job, it does not come back.
    case.transport.state_remove(late.key(), Expect::Any).await.unwrap();
    let refused = late.save(&6, case.now()).await;
    assert!(matches!(refused, Err(CheckpointError::LeaseLost)), "{refused:?}");
}

pub async fn a_report_says_what_a_running_job_has_kept(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("a").await;
    let fresh = case.client.report(&case.key("a")).await.unwrap();
    assert_eq!((fresh.progress, fresh.checkpoint), (None, None));
    let delivery = case.one(&mut sub).await;
    let job = delivery.envelope().unwrap();
    checkpoint(&case, &delivery).save("half", case.now()).await.unwrap();
    let (message, at) = ("halfway".to_owned(), case.now());
    let said = Progress { done: 1, total: 2, message, attempt: 1, at };
    let value = Bytes::from(serde_json::to_vec(&said).unwrap());
    let key = Progress::key(&job);
    let put = case.transport.state_put(&key, value, Expect::Any, Some(Progress::TTL));
    put.await.unwrap();
    let report = case.client.report(&case.key("a")).await.unwrap();
    assert_eq!(report.progress, Some(said));
    let kept = report.checkpoint.unwrap();
    assert_eq!((kept.attempt, kept.bytes), (1, "\"half\"".len()));
    case.complete(&delivery).await;
    let report = case.client.report(&case.key("a")).await.unwrap();
    assert_eq!((report.progress, report.checkpoint), (None, None), "of no use any more");
}
