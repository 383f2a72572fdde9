//! A relay dies between any two steps: take, publish, mark.

use std::time::Duration;

use naq_core::testing::{DiePoint, Fault, FaultPlan, Op};
use naq_outbox::{RowState, in_order};

use crate::database::{TestDatabase, on_both};
use crate::world::World;

on_both!(
    dead_between_take_and_publish,
    dead_between_publish_and_mark,
    dead_in_the_middle_of_a_batch,
    dead_after_the_publish_of_a_job_that_has_run_since,
    dead_for_so_long_that_no_record_is_left,
    dead_for_so_long_and_told_to_publish_all_the_same,
    dead_in_a_key_that_has_an_order,
    a_look_that_fails_leaves_the_doubt,
    a_lost_answer_is_no_second_job,
);

const MINUTE: Duration = Duration::from_secs(60);

/// Lets a relay die there. Its rows are taken, and its lease has ended when this returns.
async fn die<DB: TestDatabase>(world: &World<DB>, point: DiePoint, nth: u32) {
    let (faulty, relay) = world.faulty_relay(FaultPlan::new().die_at(point, nth));
    let ended = tokio::spawn(async move { relay.run_once().await }).await;
    assert!(ended.is_err_and(|error| error.is_panic()), "it did not die");
    assert_eq!(faulty.calls(Op::Publish), nth);
    // Another relay takes nothing before the lease ends.
    assert_eq!(world.relay().run_once().await.unwrap().taken, 0);
    world.end_waits().await;
}

async fn five<DB: TestDatabase>(world: &World<DB>) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(world.enqueue_number(number).await.to_string());
    }
    ids
}

async fn dead_between_take_and_publish<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let ids = five(&world).await;
    die(&world, DiePoint::Before(Op::Publish), 1).await;
    assert!(world.published().is_empty());
    let done = world.relay().run_once().await.unwrap();
    assert_eq!((done.published, done.duplicates), (5, 0));
    assert_eq!(world.published_ids(), ids);
    // A worker looks for the end of a job that was perhaps sent before.
    assert!(world.published().iter().all(|job| job.message.is_suspect()));
}

async fn dead_between_publish_and_mark<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let ids = five(&world).await;
    die(&world, DiePoint::After(Op::Publish), 5).await;
    assert_eq!(world.count(RowState::Published).await, 0);
    let done = world.relay().run_once().await.unwrap();
    assert_eq!((done.published, done.duplicates), (5, 5));
    assert_eq!(world.published_ids(), ids);
}

async fn dead_in_the_middle_of_a_batch<DB: TestDatabase>() {
    for (point, there) in [(DiePoint::Before(Op::Publish), 2), (DiePoint::After(Op::Publish), 3)] {
        let world = World::<DB>::new().await;
        let ids = five(&world).await;
        die(&world, point, 3).await;
        assert_eq!(world.published_ids(), ids[..there]);
        let done = world.relay().run_once().await.unwrap();
        assert_eq!((done.published, done.duplicates), (5, there as u64));
        assert_eq!(world.published_ids(), ids);
        assert_eq!(world.count(RowState::Published).await, 5);
    }
}

async fn dead_after_the_publish_of_a_job_that_has_run_since<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let ids = five(&world).await;
    die(&world, DiePoint::After(Op::Publish), 5).await;
    assert_eq!(world.work().await, ids);
    // The broker itself has forgotten the ids. The records are kept for an hour.
    world.pass(50 * MINUTE).await;
    let done = world.relay().run_once().await.unwrap();
    assert_eq!((done.published, done.duplicates), (5, 5));
    assert!(world.work().await.is_empty(), "a job has run twice");
    assert_eq!(world.published_ids(), ids);
}

async fn dead_for_so_long_that_no_record_is_left<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let ids = five(&world).await;
    die(&world, DiePoint::After(Op::Publish), 3).await;
    assert_eq!(world.work().await, ids[..3]);
    world.pass(3 * 60 * MINUTE).await;

    let done = world.relay().run_once().await.unwrap();

    // It cannot know which of the five have run.
    assert_eq!((done.published, done.unclear), (0, 5));
    assert!(world.work().await.is_empty(), "a job has run twice");
    let stopped = world.table.list(&[RowState::Unclear], 0, 9).await.unwrap();
    assert_eq!(
        stopped.iter().map(|row| &row.job_id).collect::<Vec<_>>(),
        ids.iter().collect::<Vec<_>>()
    );
    assert!(stopped[0].error.as_ref().unwrap().contains("no record"), "{stopped:?}");

    // The operator knows: the first three have run.
    let rows: Vec<_> = stopped.iter().map(|row| row.row).collect();
    assert_eq!(world.table.discard(&rows[..3]).await.unwrap(), 3);
    assert_eq!(world.table.retry(&rows).await.unwrap(), 2);
    assert_eq!(world.relay().run_once().await.unwrap().published, 2);
    assert_eq!(world.work().await, ids[3..]);
}

async fn dead_for_so_long_and_told_to_publish_all_the_same<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let ids = five(&world).await;
    die(&world, DiePoint::Before(Op::Publish), 1).await;
    world.pass(3 * 60 * MINUTE).await;
    let done = world.relay().publish_unclear(true).run_once().await.unwrap();
    assert_eq!((done.published, done.unclear), (5, 0));
    assert_eq!(world.work().await, ids);
}

async fn dead_in_a_key_that_has_an_order<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let mut ids = Vec::new();
    for number in 0..5_u32 {
        let job = world.client.enqueue_task("count", &number).unwrap();
        ids.push(world.enqueue(in_order("a", job)).await.to_string());
    }
    die(&world, DiePoint::After(Op::Publish), 3).await;
    let done = world.relay().run_once().await.unwrap();
    assert_eq!((done.published, done.duplicates), (5, 3));
    assert_eq!(world.published_ids(), ids);
}

async fn a_look_that_fails_leaves_the_doubt<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let ids = five(&world).await;
    die(&world, DiePoint::After(Op::Publish), 3).await;
    assert_eq!(world.work().await, ids[..3]);
    world.pass(10 * MINUTE).await;
    for (fault, expected) in [(Fault::Refused, (5, 0)), (Fault::Unreachable, (0, 5))] {
        let (_, relay) = world.faulty_relay(FaultPlan::new().on(Op::Evidence, 1, 1, fault));
        let done = relay.run_once().await.unwrap();
        assert_eq!((done.published, done.refused, done.unanswered), (0, expected.0, expected.1));
        world.end_waits().await;
    }
    let done = world.relay().run_once().await.unwrap();
    assert_eq!((done.published, done.duplicates), (5, 3));
    assert_eq!(world.work().await, ids[3..], "a job has run twice");
}

async fn a_lost_answer_is_no_second_job<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let ids = five(&world).await;
    let (_, relay) = world.faulty_relay(FaultPlan::new().on(Op::Publish, 2, 2, Fault::Timeout));
    let done = relay.run_once().await.unwrap();
    assert_eq!((done.published, done.unanswered), (3, 2));
    assert_eq!(world.work().await.len(), 5);
    world.end_waits().await;
    let done = relay.run_once().await.unwrap();
    assert_eq!((done.published, done.duplicates), (2, 2));
    let mut published = world.published_ids();
    published.sort();
    let mut ids = ids;
    ids.sort();
    assert_eq!(published, ids);
}
