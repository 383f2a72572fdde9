//! A job that has ended runs again as a new job.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;
use std::time::Duration;

use naq_client::{Client, ClientError, JobReport};
use naq_core::{JobState, RetryPolicy};
use naq_memory::MemoryTransport;
use serde_json::json;

fn client() -> Client {
    Client::new(Arc::new(MemoryTransport::new()))
}

/// A job that was cancelled.
async fn cancelled(client: &Client) -> JobReport {
    let policy: RetryPolicy = "exponential:7s,max_retries=9".parse().unwrap();
    let args = json!({ "to": "ann" });
    let job = client.enqueue_task("email.send", &args).unwrap().queue("mail");
    let job = job.policy(policy).tag("order-1").timeout(Duration::from_secs(5)).unique("ann");
    let handle = job.await.unwrap();
    let report = handle.report().await.unwrap();
    let refused = client.run_again(&report);
    assert!(matches!(refused, Err(ClientError::State { .. })), "it has not ended: {refused:?}");
    client.cancel(&report.key, "").await.unwrap()
}

#[tokio::test]
async fn a_job_that_runs_again_is_a_new_job_with_the_same_options() {
    let client = client();
    let old = cancelled(&client).await;
    let handle = client.run_again(&old).unwrap().await.unwrap();
    assert_ne!(*handle.id(), old.key.id);
    let new = handle.report().await.unwrap();
    assert_eq!(new.state, JobState::Pending);
    let (old_job, new_job) = (old.envelope.unwrap(), new.envelope.unwrap());
    assert_eq!((&new_job.queue, &new_job.task), (&old_job.queue, &old_job.task));
    assert_eq!((&new_job.args, &new_job.policy), (&old_job.args, &old_job.policy));
    assert_eq!((&new_job.tags, new_job.timeout), (&old_job.tags, old_job.timeout));
    assert_eq!((new_job.unique, new_job.history.len(), new_job.attempt), (None, 0, 1));
    let ended = client.report(&old.key).await.unwrap();
    assert_eq!(ended.state, JobState::Cancelled, "the other job stays as it is");
}

#[tokio::test]
async fn a_job_that_runs_again_can_be_changed_first() {
    let client = client();
    let old = cancelled(&client).await;
    let again = client.run_again(&old).unwrap().task("email.check").unwrap().args(&[1]);
    let new = again.queue("slow").await.unwrap().report().await.unwrap();
    let job = new.envelope.unwrap();
    assert_eq!((job.task.as_str(), job.queue.as_str()), ("email.check", "slow"));
    assert_eq!(job.args.decode::<Vec<u8>>().unwrap(), [1]);
}

#[tokio::test]
async fn a_job_whose_arguments_are_not_stored_any_more_does_not_run_again_without_them() {
    let client = client();
    let mut old = cancelled(&client).await;
    old.envelope.as_mut().unwrap().leave_out_args();
    old.args = None;
    let refused = client.run_again(&old);
    let Err(ClientError::State { why, .. }) = refused else { panic!("{refused:?}") };
    assert!(why.contains("not stored any more"), "{why}");
}
