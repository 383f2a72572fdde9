//! The blocking verbs, over the transport in memory.

#![cfg(feature = "memory")]

use std::sync::Arc;
use std::time::Duration;

use naq::memory::MemoryTransport;
use naq::prelude::*;
use naq::{JobState, blocking};

#[derive(Serialize, Deserialize)]
struct Add(u32, u32);

impl Job for Add {
    const NAME: &'static str = "add";
    type Output = u32;
}

fn client() -> blocking::Client {
    let inner = Client::new(Arc::new(MemoryTransport::new()));
    blocking::Client::new(inner).expect("a thread")
}

#[test]
fn a_job_is_enqueued_found_and_cancelled_without_any_async() {
    let client = client();
    let job = client
        .enqueue(Add(1, 2))
        .id("sum")
        .max_retries(4)
        .retry_delay([Duration::from_secs(2), Duration::from_secs(5)])
        .retry_on(["ConnectionError"])
        .send()
        .expect("enqueued");
    let report = job.report().expect("known");
    assert_eq!(report.state, JobState::Pending);
    assert_eq!(report.envelope.expect("a job").policy.max_attempts(), 5);
    assert_eq!(job.result().expect("no result yet"), None);
    assert!(client.enqueue(Add(1, 2)).id("sum").send().expect("known").is_duplicate());

    let cancelled = client.cancel(&report.key, "not needed").expect("cancelled");
    assert_eq!(cancelled.state, JobState::Cancelled);
    assert!(client.list_workers().expect("a list").is_empty());
    assert_eq!(client.queues().expect("a list").len(), 1);
}

#[test]
fn many_jobs_are_sent_at_once() {
    let client = client();
    let jobs = (0..100).map(|n| client.enqueue(Add(n, 1)).prepare().expect("a job"));
    let sent = client.enqueue_many(jobs.collect::<Vec<_>>());
    assert!(sent.len() == 100 && sent.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_blocking_client_survives_being_used_and_dropped_inside_async_code() {
    let client = client();
    client.enqueue(Add(1, 2)).send().expect("enqueued");
    drop(client);
}
