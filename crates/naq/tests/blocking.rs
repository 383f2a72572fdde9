//! The blocking client, over the in-memory transport.

#![cfg(feature = "memory")]

use std::sync::Arc;
use std::time::Duration;

use naq::client::{Registered, ScheduleState, WaitError};
use naq::memory::MemoryTransport;
use naq::prelude::*;
use naq::{JobState, ScheduleName, Timestamp, blocking};

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
fn a_job_is_enqueued_found_and_cancelled_without_async_code() {
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
fn a_schedule_is_registered_and_acted_on_without_async_code() {
    let client = client();
    let register = || {
        let job = client.enqueue(Add(1, 2)).max_retries(7);
        let schedule = client.schedule("sums").cron("30 2 * * *").time_zone("Europe/Berlin");
        schedule.template(job).register().expect("registered")
    };
    assert_eq!((register(), register()), (Registered::Created, Registered::Unchanged));
    let (schedules, name) = (client.schedules(), ScheduleName::new("sums").expect("a name"));
    assert_eq!(schedules.get(&name).expect("there").upcoming(5).len(), 5);
    assert_eq!(schedules.pause(&name).expect("there").state, ScheduleState::Paused);
    assert_eq!(schedules.resume(&name).expect("there").state, ScheduleState::Active);
    let run = schedules.run_now(&name).expect("sent");
    assert_eq!(client.report(&run).expect("known").state, JobState::Pending);
    assert_eq!(schedules.list().expect("a list").len(), 1);
    assert!(schedules.delete(&name).expect("removed"));
    assert!(schedules.get(&name).is_err());
}

#[test]
fn a_caller_waits_for_a_result_without_async_code() {
    let client = client();
    let job = client.enqueue(Add(1, 2)).id("sum").send().expect("enqueued");
    let timeout = job.wait(Duration::from_millis(50)).expect_err("no worker is running");
    assert!(matches!(timeout, WaitError::TimedOut { state: JobState::Pending, .. }), "{timeout}");
    let cancel = {
        let (client, key) = (client.clone(), job.report().expect("known").key);
        std::thread::spawn(move || client.cancel(&key, "not needed").map(drop))
    };
    let err = job.wait(Duration::from_secs(60)).expect_err("cancelled");
    assert!(matches!(err, WaitError::Cancelled { .. }), "{err}");
    cancel.join().expect("no panic").expect("cancelled");
}

#[test]
fn many_jobs_are_sent_at_once() {
    let client = client();
    let jobs = (0..100).map(|n| client.enqueue(Add(n, 1)).prepare().expect("a job"));
    let sent = client.enqueue_many(jobs.collect::<Vec<_>>());
    assert!(sent.len() == 100 && sent.iter().all(Result::is_ok));
}

#[test]
fn jobs_of_several_types_are_sent_together_and_an_invalid_one_does_not_affect_the_others() {
    let client = client();
    let jobs = [
        client.enqueue(Add(1, 2)).untyped(),
        client.enqueue_task("other", &"a").expect("a task").untyped(),
        client.enqueue(Add(1, 2)).queue("no name").untyped(),
    ];
    let sent: Vec<_> = client.enqueue_many(jobs).iter().map(Result::is_ok).collect();
    assert_eq!(sent, [true, true, false]);
}

#[test]
fn a_second_job_with_a_unique_key_returns_the_handle_of_the_first() {
    let client = client();
    let first = client.enqueue(Add(1, 2)).unique("sum").send().expect("enqueued");
    let second = client.enqueue(Add(3, 4)).unique("sum").send().expect("answered");
    assert!(second.is_duplicate() && second.id() == first.id());
    assert_eq!(second.held_by().map(|holder| &holder.id), Some(first.id()));
    let minute = Duration::from_secs(60);
    let other = client.enqueue(Add(3, 4)).unique_for("other", minute).send().expect("enqueued");
    assert!(!other.is_duplicate() && other.held_by().is_none());
}

#[test]
fn a_job_waits_for_its_time() {
    let client = client();
    let at = Timestamp::read("2999-12-24 18:00", Timestamp::default()).expect("a time");
    let job = client.enqueue_at(at, Add(1, 2)).send().expect("enqueued");
    let report = job.report().expect("known");
    assert_eq!((report.state, report.due_at), (JobState::Scheduled, Some(at)));
    let job = client.enqueue_in(Duration::from_secs(60), Add(1, 2)).expires_in(Duration::ZERO);
    let report = job.send().expect("enqueued").report().expect("known");
    assert_eq!(report.envelope.expect("a job").deadline, report.due_at);
}

#[tokio::test]
async fn a_blocking_client_may_be_used_and_dropped_inside_async_code() {
    let client = client();
    client.enqueue(Add(1, 2)).send().expect("enqueued");
    drop(client);
}

#[test]
fn a_workflow_is_started_shown_and_cancelled_without_async_code() {
    let client = client();
    let first = client.enqueue(Add(1, 2)).send().expect("enqueued");
    let second = client.enqueue(Add(3, 4)).depends_on(&first).send().expect("enqueued");
    assert_eq!(second.report().expect("known").state, JobState::Blocked);
    let sums = naq::Workflow::new("sums")
        .job("a", Add(1, 2))
        .job("b", client.enqueue(Add(3, 4)).max_retries(1))
        .sequence(["a", "b"]);
    let sums = client.start(sums).expect("started");
    let b = sums.job::<u32>("b").expect("a job");
    assert_eq!(b.report().expect("known").state, JobState::Blocked);
    assert_eq!(client.workflows().expect("a list").len(), 1);
    assert_eq!(sums.cancel("not today").expect("cancelled"), 2);
    assert_eq!(sums.report().expect("known").ended(), (2, 0));
}
