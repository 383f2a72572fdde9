//! Schedules in processes with a wrong clock.

use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::schedule::CatchUp;
use naq_core::{Clock, ScheduleName, SystemClock, Timestamp};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{shared_server, unique};

const DAY: Duration = Duration::from_secs(86_400);

/// A clock that is one day ahead.
#[derive(Debug)]
struct Ahead;
impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + DAY
    }
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
    let (right, ahead) =
        tokio::join!(client(&prefix, Arc::new(SystemClock)), client(&prefix, Arc::new(Ahead)));
    let name = ScheduleName::new("nightly").expect("a name");
    let job = right.enqueue_task("task", &()).expect("a task");
    let every = Duration::from_secs(3600);
    right.schedule("nightly").every(every).template(job).await.expect("registered");
    let before = right.schedules().get(&name).await.expect("there");

    let next = ahead.schedules().take_turn(&name).await.expect("taken").expect("more to come");
    let after = right.schedules().get(&name).await.expect("there");
    assert_eq!(after.progress, before.progress, "nothing is decided before its time");
    // In the time of its own clock, which the transport corrects.
    assert!(close(next, before.upcoming(1)[0].at + DAY), "{next}");

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
