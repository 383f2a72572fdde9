//! What an operator sees and does.

use std::time::Duration;

use naq_core::testing::{Fault, FaultPlan, Op};
use naq_outbox::{RowState, in_order};

use crate::database::{TestDatabase, on_both};
use crate::world::World;

on_both!(
    old_rows_are_pruned_and_new_ones_stay,
    a_relay_that_keeps_nothing_deletes_what_it_has_published,
    a_discarded_row_is_never_published_and_frees_its_key,
    a_list_has_pages,
);

const HOUR: Duration = Duration::from_secs(3600);

async fn old_rows_are_pruned_and_new_ones_stay<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    for n in 0..3 {
        world.enqueue_number(n).await;
    }
    world.relay().run_once().await.unwrap();
    world.pass(2 * HOUR).await;
    world.enqueue_number(3).await;
    world.relay().keep_published(3 * HOUR).run_once().await.unwrap();
    world.enqueue_number(4).await;
    assert_eq!(world.count(RowState::Published).await, 4);
    assert_eq!(world.table.prune(HOUR).await.unwrap(), 3);
    assert_eq!(
        (world.count(RowState::Published).await, world.count(RowState::Pending).await),
        (1, 1)
    );
}

async fn a_relay_that_keeps_nothing_deletes_what_it_has_published<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    for n in 0..3 {
        world.enqueue_number(n).await;
    }
    let done = world.relay().keep_published(Duration::ZERO).run_once().await.unwrap();
    assert_eq!((done.published, done.pruned), (3, 3));
    assert_eq!(world.count(RowState::Published).await, 0);
}

async fn a_discarded_row_is_never_published_and_frees_its_key<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let mut ids = Vec::new();
    for n in 0..3_u32 {
        let job = world.client.enqueue_task("count", &n).unwrap();
        ids.push(world.enqueue(in_order("a", job)).await.to_string());
    }
    let (_, relay) = world.faulty_relay(FaultPlan::new().on(Op::Publish, 1, 1, Fault::TooLarge));
    assert_eq!(relay.run_once().await.unwrap().failed, 1);
    let failed = world.table.list(&[RowState::Failed], 0, 9).await.unwrap().remove(0);
    assert_eq!(world.table.discard(&[failed.row]).await.unwrap(), 1);
    assert_eq!(relay.run_once().await.unwrap().published, 2);
    assert_eq!(world.published_ids(), ids[1..]);
    // What is published or discarded stays as it is.
    let all: Vec<_> = world.table.list(&RowState::ALL, 0, 9).await.unwrap();
    let rows: Vec<_> = all.iter().map(|row| row.row).collect();
    assert_eq!(world.table.discard(&rows).await.unwrap(), 0);
    assert_eq!(world.table.retry(&rows).await.unwrap(), 0);
    world.pass(2 * HOUR).await;
    assert_eq!(world.table.prune(HOUR).await.unwrap(), 3);
}

async fn a_list_has_pages<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    for n in 0..5 {
        world.enqueue_number(n).await;
    }
    let first = world.table.list(&[RowState::Pending], 0, 3).await.unwrap();
    let second = world.table.list(&[RowState::Pending], first[2].row, 3).await.unwrap();
    assert_eq!((first.len(), second.len()), (3, 2));
    assert!(first[2].row < second[0].row);
    assert!(world.table.list(&[], 0, 3).await.unwrap().is_empty());
}
