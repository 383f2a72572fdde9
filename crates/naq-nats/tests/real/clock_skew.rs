//! Schedules and producers in processes with a wrong clock.

use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::schedule::CatchUp;
use naq_core::testing::SkewedClock;
use naq_core::{Clock, JobId, ScheduleName, SystemClock, Timestamp};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{shared_server, unique};

/// A clock that is one day ahead.
fn ahead_clock() -> SkewedClock<SystemClock> {
    SkewedClock::new(SystemClock, 86_400_000)
}

async fn client(prefix: &str, clock: Arc<dyn Clock>) -> Client {
    let mut config = NatsConfig::new(shared_server().url()).prefix(prefix);
    config.clock = clock.clone();
    let transport = NatsTransport::connect(config).await.expect("connects");
    Client::new(Arc::new(transport)).clock(clock)
}

fn close(one: Timestamp, other: Timestamp) -> bool {
    one.since(other) + other.since(one) < Duration::from_secs(5)
}

#[tokio::test]
async fn a_worker_whose_clock_is_ahead_skips_no_tick_and_starts_none_early() {
    let prefix = unique("t");
    let (right, ahead) = tokio::join!(
        client(&prefix, Arc::new(SystemClock)),
        client(&prefix, Arc::new(ahead_clock()))
    );
    let name = ScheduleName::new("nightly").expect("a name");
    let job = right.enqueue_task("task", &()).expect("a task");
    let every = Duration::from_secs(3600);
    right.schedule("nightly").every(every).template(job).await.expect("registered");
    let before = right.schedules().get(&name).await.expect("there");

    let next = ahead.schedules().take_turn(&name).await.expect("taken").expect("more to come");
    let after = right.schedules().get(&name).await.expect("there");
    assert_eq!(after.progress, before.progress, "nothing is decided before its time");
    assert!(close(next, before.upcoming(1)[0].at), "{next}");

    // Its changes take effect now, not tomorrow.
    let job = ahead.enqueue_task("task", &()).expect("a task");
    let twice = ahead.schedule("nightly").every(every * 2).catch_up(CatchUp::All).template(job);
    twice.await.expect("registered");
    let job = ahead.enqueue_task("task", &()).expect("a task");
    ahead.schedule("weekly").every(every).template(job).await.expect("registered");
    let now = SystemClock.now();
    let weekly = ScheduleName::new("weekly").expect("a name");
    let changed = right.schedules().get(&name).await.expect("there");
    let made = right.schedules().get(&weekly).await.expect("there");
    assert!(close(changed.progress.decided_until, now), "{:?}", changed.progress);
    assert!(close(made.schedule.created_at, now), "{:?}", made.schedule);
}

#[tokio::test]
async fn a_producer_whose_clock_is_wrong_gives_each_job_the_times_that_it_says() {
    const MINUTE: Duration = Duration::from_secs(60);
    for skew in [-3_600_000, 3_600_000] {
        // On a broker that has no stream yet, the first job of each way to enqueue.
        let new =
            || async { client(&unique("t"), Arc::new(SkewedClock::new(SystemClock, skew))).await };
        let (alone, many, early) = (new().await, new().await, new().await);
        let job = |client: &Client| {
            let job = client.enqueue_task("task", &()).expect("a task");
            job.id("job").delay(MINUTE).expires_in(MINUTE).prepare()
        };
        let sent = alone.enqueue_task("task", &()).expect("a task").id("job");
        sent.delay(MINUTE).expires_in(MINUTE).await.expect("sent");
        many.enqueue_many([job(&many)]).await.remove(0).expect("sent");
        // Its clock is compared after it was prepared, and before it is sent.
        let prepared = job(&early);
        early.enqueue_task("task", &()).expect("a task").await.expect("sent");
        early.enqueue_many([prepared]).await.remove(0).expect("sent");
        for client in [alone, many, early] {
            let report = client.job(&JobId::new("job").expect("an id"), None).await.expect("there");
            let now = SystemClock.now();
            let job = report.envelope.expect("readable");
            let due = report.due_at.expect("it waits");
            assert!(close(due, now + MINUTE), "{skew}: {due}");
            assert_eq!(job.due_at, report.due_at, "{skew}");
            assert_eq!(job.deadline, Some(due + MINUTE), "{skew}");
            assert!(close(client.now(), now), "{skew}: {}", client.now());
        }
    }
}
