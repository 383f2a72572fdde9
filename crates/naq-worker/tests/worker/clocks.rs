//! Machines whose clocks are wrong: only the broker's clock decides.

use std::sync::Arc;
use std::time::Duration;

use naq_client::{Client, Registered, ScheduleState};
use naq_core::names::CHORES;
use naq_core::schedule::ScheduleEntry;
use naq_core::testing::{ManualClock, SkewedClock};
use naq_core::transport::{Expect, JobKey, Saved, StateStore};
use naq_core::{Clock, JobId, JobState, QueueName, ScheduleName, TaskName, Timer, Timestamp};

use crate::bench::{Bench, Do, Running, Script, secs};

const HOUR_MS: i64 = 3_600_000;

/// The clock of a machine that is so far ahead of the broker.
fn skewed(bench: &Bench, ahead_ms: i64) -> Arc<SkewedClock<ManualClock>> {
    Arc::new(SkewedClock::new(bench.clock.clone(), ahead_ms))
}

async fn start(bench: &Bench, ahead_ms: i64) -> Running {
    let timer: Arc<dyn Timer> = skewed(bench, ahead_ms);
    bench.start_with(|builder| builder.clock(timer)).await
}

/// A producer or operator on a machine whose clock is wrong.
fn client(bench: &Bench, ahead_ms: i64) -> Client {
    Client::new(Arc::new(bench.broker.clone())).clock(skewed(bench, ahead_ms))
}

fn succeed(id: &str) -> (Script, String) {
    (Script(vec![Do::Succeed]), id.to_owned())
}

#[tokio::test]
async fn a_worker_whose_clock_is_ahead_expires_no_job_that_has_time_left() {
    let bench = Bench::new();
    let _worker = start(&bench, HOUR_MS).await;
    let (job, id) = succeed("job");
    bench.client.enqueue(job).id(id).expires_in(secs(600)).await.expect("sent");
    bench.turn().await;
    assert_eq!(bench.state("job").await, JobState::Completed);
}

#[tokio::test]
async fn a_worker_whose_clock_is_behind_starts_no_job_that_has_expired() {
    let bench = Bench::new();
    let (job, id) = succeed("job");
    bench.client.enqueue(job).id(id).expires_in(secs(1)).await.expect("sent");
    bench.pass(secs(2)).await;
    let _worker = start(&bench, -HOUR_MS).await;
    assert_eq!((bench.state("job").await, bench.seen.total()), (JobState::Expired, 0));
}

#[tokio::test]
async fn a_producer_whose_clock_is_wrong_gives_a_job_the_time_that_it_says() {
    for ahead in [-HOUR_MS, HOUR_MS] {
        let bench = Bench::new();
        let producer = client(&bench, ahead);
        let (job, id) = succeed("short");
        producer.enqueue(job).id(id).expires_in(secs(600)).await.expect("sent");
        let (job, id) = succeed("later");
        producer.enqueue(job).id(id).delay(secs(10)).expires_in(secs(5)).await.expect("sent");
        let (job, id) = succeed("many");
        let prepared = producer.enqueue(job).id(id).delay(secs(20)).expires_in(secs(5)).prepare();
        producer.enqueue_many([prepared]).await.remove(0).expect("sent");
        bench.pass(secs(599)).await;
        let _worker = start(&bench, 0).await;
        assert_eq!(bench.state("short").await, JobState::Completed, "{ahead}");
        for (id, due, last) in [("later", 10, 15), ("many", 20, 25)] {
            let job = bench.report(id).await.envelope.expect("readable");
            let begun = bench.clock.now().saturating_sub(secs(599));
            assert_eq!(job.due_at, Some(begun + secs(due)), "{id} {ahead}");
            assert_eq!(job.deadline, Some(begun + secs(last)), "{id} {ahead}");
            assert_eq!(bench.state(id).await, JobState::Expired, "{id} {ahead}");
        }
    }
}

#[tokio::test]
async fn a_pause_of_a_task_lasts_as_long_as_the_operator_said() {
    for ahead in [-2 * HOUR_MS, 2 * HOUR_MS] {
        let bench = Bench::new();
        let _worker = start(&bench, -ahead).await;
        let operator = client(&bench, ahead);
        let (queue, task) = (QueueName::default(), TaskName::new("script").expect("a name"));
        let until = operator.broker_now().await.expect("known") + secs(60);
        operator.pause_task(&queue, &task, Some(until), "ann", "down").await.expect("stored");
        bench.turn().await;
        bench.enqueue("job", [Do::Succeed]).await;
        bench.pass(secs(59)).await;
        assert_eq!(bench.state("job").await, JobState::Scheduled, "{ahead}");
        assert_eq!(operator.paused_tasks().await.expect("a list").len(), 1, "{ahead}");
        bench.pass(secs(16)).await;
        assert_eq!(bench.state("job").await, JobState::Completed, "{ahead}");
    }
}

#[tokio::test]
async fn retries_breakers_and_rates_of_machines_with_different_clocks_agree() {
    let bench = Bench::new();
    // The clocks of the two workers are two hours apart.
    let _ahead = start(&bench, HOUR_MS).await;
    let _behind = start(&bench, -HOUR_MS).await;
    let operator = client(&bench, -HOUR_MS);
    // A retry starts after its delay.
    bench.enqueue("retry", [Do::RetryAfter(30), Do::Succeed]).await;
    bench.pass(secs(29)).await;
    assert_eq!(bench.seen.starts("retry"), 1);
    bench.pass(secs(1)).await;
    assert_eq!(bench.state("retry").await, JobState::Completed);
    // One start a second.
    for n in 0..4 {
        let job = bench.client.enqueue(Script(vec![Do::Succeed])).id(format!("rate{n}"));
        job.rate_limit("key", 1, secs(1)).await.expect("sent");
    }
    bench.turn().await;
    let before = bench.seen.total();
    for started in 1..=3 {
        bench.pass(Duration::from_millis(1000)).await;
        assert_eq!(bench.seen.total(), before + started, "after {started} s");
    }
    // A breaker that an operator opens for a minute.
    operator.open_breaker("script", Some(secs(60)), "maintenance").await.expect("open");
    bench.pass(secs(2)).await;
    let before = bench.seen.total();
    bench.enqueue("held", [Do::Succeed]).await;
    bench.pass(secs(50)).await;
    assert_eq!(bench.seen.total(), before);
    bench.pass(secs(120)).await;
    assert_eq!(bench.state("held").await, JobState::Completed);
}

/// A schedule whose ticks of the next year were decided while a clock was wrong.
async fn decided_for_a_year(bench: &Bench) -> (ScheduleName, Timestamp) {
    let name = ScheduleName::new("often").expect("a name");
    let job = Script(vec![Do::Succeed]);
    bench.client.schedule("often").every(secs(600)).job(job).await.expect("registered");
    let key = ScheduleEntry::key(&name).expect("a key");
    let stored = bench.broker.state_get(std::slice::from_ref(&key)).await.expect("an answer");
    let stored = stored[0].clone().expect("an entry");
    let mut entry = ScheduleEntry::decode(&name, &stored.value).expect("readable");
    let ahead = bench.clock.now() + secs(365 * 86_400);
    entry.progress.decided_until = ahead;
    let value = entry.encode().expect("written");
    let put = bench.broker.state_put(&key, value, Expect::Revision(stored.revision), None).await;
    assert!(matches!(put, Ok(Saved::Stored(_))), "{put:?}");
    // The broker waits as long with its chore.
    let chore = JobId::new("tick-often").expect("an id");
    let key = JobKey::new(QueueName::new(CHORES).expect("a name"), chore);
    bench.client.reschedule(&key, ahead).await.expect("moved");
    (name, ahead)
}

#[tokio::test]
async fn a_schedule_that_a_wrong_clock_has_silenced_runs_again() {
    // A worker starts; the same definition is added again; it gets new times; it is resumed.
    for heals in ["worker", "add", "times", "resume"] {
        let bench = Bench::new();
        let begun = bench.clock.now();
        let (name, ahead) = decided_for_a_year(&bench).await;
        let listed = bench.client.schedules().get(&name).await.expect("there");
        assert_eq!(listed.state, ScheduleState::Active);
        assert!(listed.upcoming(1)[0].at <= begun + secs(600), "{heals}: {listed:?}");
        let define =
            |every| bench.client.schedule("often").every(every).job(Script(vec![Do::Succeed]));
        match heals {
            "add" => assert_eq!(define(secs(600)).await.expect("added"), Registered::Updated),
            "times" => assert_eq!(define(secs(300)).await.expect("added"), Registered::Updated),
            "resume" => drop(bench.client.schedules().resume(&name).await.expect("resumed")),
            _ => {}
        }
        let _worker = bench.start_with(|builder| builder.chores(true)).await;
        bench.pass(secs(3 * 600 + 60)).await;
        let runs = if heals == "times" { 6 } else { 3 };
        assert_eq!(bench.seen.total(), runs, "{heals}: {:?}", bench.seen.order());
        let progress = bench.client.schedules().get(&name).await.expect("there").progress;
        assert!(progress.decided_until < ahead && progress.runs == runs as u64, "{progress:?}");
    }
}
