//! Rows that can never be published, and a broker that is away.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use naq_core::testing::{Fault, FaultPlan, Op};
use naq_outbox::{Relay, RowState};

use crate::database::{TestDatabase, on_both};
use crate::world::World;

on_both!(
    a_row_that_is_too_large_fails_at_once_and_stops_no_other,
    a_row_that_is_no_job_fails_and_stops_no_other,
    a_row_that_is_refused_waits_and_fails_in_the_end,
    a_relay_without_a_broker_takes_nothing_and_goes_on_when_it_is_back,
    a_broker_that_goes_away_in_a_batch_leaves_no_second_job,
);

async fn a_row_that_is_too_large_fails_at_once_and_stops_no_other<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    for n in 0..4 {
        world.enqueue_number(n).await;
    }
    let (_, relay) = world.faulty_relay(FaultPlan::new().on(Op::Publish, 2, 1, Fault::TooLarge));
    let done = relay.run_once().await.unwrap();
    assert_eq!((done.published, done.failed), (3, 1));
    let failed = world.table.list(&[RowState::Failed], 0, 9).await.unwrap();
    assert_eq!((failed.len(), failed[0].attempts), (1, 1));
    assert_eq!(failed[0].offered_at, None);
    assert!(failed[0].error.as_ref().unwrap().contains("max_payload"), "{failed:?}");
    assert_eq!(relay.run_once().await.unwrap().taken, 0);
    assert_eq!(world.table.retry(&[failed[0].row]).await.unwrap(), 1);
    assert_eq!(relay.run_once().await.unwrap().published, 1);
}

async fn a_row_that_is_no_job_fails_and_stops_no_other<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    for n in 0..4 {
        world.enqueue_number(n).await;
    }
    let rows = DB::numbers(&world.pool, "SELECT seq FROM naq_outbox ORDER BY seq").await;
    for (column, row) in [("headers = 'x'", rows[0]), ("queue = 'no queue!'", rows[1])] {
        DB::execute(&world.pool, &format!("UPDATE naq_outbox SET {column} WHERE seq = {row}"))
            .await;
    }
    let empty = format!("UPDATE naq_outbox SET body = SUBSTR(body, 1, 9) WHERE seq = {}", rows[2]);
    assert_eq!(DB::execute(&world.pool, &empty).await, 1);

    let done = world.relay().run_once().await.unwrap();

    assert_eq!((done.published, done.failed), (1, 3));
    let failed = world.table.list(&[RowState::Failed], 0, 9).await.unwrap();
    assert!(failed[2].error.as_ref().unwrap().contains("cannot be read as a job"), "{failed:?}");
    assert!(failed[0].error.as_ref().unwrap().contains("headers cannot be read"), "{failed:?}");
    assert!(failed[1].error.as_ref().unwrap().contains("no queue!"), "{failed:?}");
}

async fn a_row_that_is_refused_waits_and_fails_in_the_end<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    world.enqueue_number(1).await;
    let (_, relay) = world.faulty_relay(FaultPlan::new().on(Op::Publish, 1, 3, Fault::Refused));
    let relay = relay.max_attempts(3);
    for attempts in 1..3 {
        assert_eq!(relay.run_once().await.unwrap().refused, 1);
        // It waits.
        assert_eq!(relay.run_once().await.unwrap().taken, 0);
        let rows = world.table.list(&[RowState::Pending], 0, 9).await.unwrap();
        assert_eq!((rows[0].attempts, rows[0].offered_at), (attempts, None));
        world.end_waits().await;
    }
    assert_eq!(relay.run_once().await.unwrap().failed, 1);
    assert_eq!(world.table.retry_all().await.unwrap(), 1);
    assert_eq!(relay.run_once().await.unwrap().published, 1);
    assert_eq!(world.count(RowState::Published).await, 1);
}

/// Runs a relay until `done`, and then stops it.
async fn run_until<DB: TestDatabase>(relay: Relay<DB>, done: impl AsyncFn() -> bool) {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let relay = relay.poll_every(Duration::from_millis(5));
    let running = tokio::spawn(async move {
        relay.run(async { drop(stopped.await) }).await.unwrap();
    });
    naq_testing::eventually("the relay is done", Duration::from_secs(30), async || done().await)
        .await;
    stop.send(()).unwrap();
    running.await.unwrap();
}

async fn a_relay_without_a_broker_takes_nothing_and_goes_on_when_it_is_back<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    for n in 0..50 {
        world.enqueue_number(n).await;
    }
    let (faulty, relay) = world.faulty_relay(FaultPlan::new());
    faulty.cut();
    let taken = "SELECT COUNT(*) FROM naq_outbox WHERE offered_ms IS NOT NULL";
    let looks = AtomicU32::new(0);
    run_until(relay, async || {
        if looks.fetch_add(1, Ordering::Relaxed) == 20 {
            assert_eq!(DB::numbers(&world.pool, taken).await, [0]);
            faulty.mend();
        }
        world.count(RowState::Published).await == 50
    })
    .await;
    assert_eq!(world.published().len(), 50);
}

async fn a_broker_that_goes_away_in_a_batch_leaves_no_second_job<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    for n in 0..50 {
        world.enqueue_number(n).await;
    }
    let plan = FaultPlan::new().on(Op::Publish, 10, 5, Fault::Unreachable).on(
        Op::Publish,
        15,
        36,
        Fault::Timeout,
    );
    let (_, relay) = world.faulty_relay(plan);
    run_until(relay, async || world.count(RowState::Published).await == 50).await;
    let mut ids = world.published_ids();
    assert_eq!(ids.len(), 50);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
}
