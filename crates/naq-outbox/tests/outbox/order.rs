//! Several relays at once, and rows with an order key.

use std::collections::{HashMap, HashSet};

use naq_core::testing::{Fault, FaultPlan, Op};
use naq_core::transport::Submission;
use naq_outbox::{Relayed, RowState, in_order};

use crate::database::{TestDatabase, on_both};
use crate::world::World;

on_both!(
    four_relays_publish_each_row_once_and_each_key_in_order,
    a_row_that_fails_stops_the_later_rows_of_its_key_and_no_others,
    a_row_that_waits_stops_the_later_rows_of_its_key,
    rows_that_another_relay_has_stop_the_later_rows_of_their_keys,
);

const ROWS: u64 = 2_000;
const KEYS: u64 = 23;

/// The number that a job of these tests has as its arguments.
fn number(job: &Submission) -> u64 {
    let body: serde_json::Value = serde_json::from_slice(&job.message.body).unwrap();
    body["args"].as_u64().unwrap()
}

async fn enqueue_in_order<DB: TestDatabase>(
    world: &World<DB>,
    key: &str,
    numbers: std::ops::Range<u64>,
) {
    let mut tx = world.pool.begin().await.unwrap();
    let jobs = numbers.map(|n| in_order(key, world.client.enqueue_task("count", &n).unwrap()));
    world.outbox.enqueue_all(&mut tx, jobs).await.unwrap();
    tx.commit().await.unwrap();
}

async fn four_relays_publish_each_row_once_and_each_key_in_order<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    // Every third row has no key. Inserted by several transactions.
    for page in 0..8 {
        let mut tx = world.pool.begin().await.unwrap();
        for n in page * ROWS / 8..(page + 1) * ROWS / 8 {
            let job = world.client.enqueue_task("count", &n).unwrap();
            match n % 3 {
                0 => world.outbox.enqueue(&mut tx, job).await.unwrap(),
                _ => world
                    .outbox
                    .enqueue(&mut tx, in_order(format!("key-{}", n % KEYS), job))
                    .await
                    .unwrap(),
            };
        }
        tx.commit().await.unwrap();
    }
    let mut relays = Vec::new();
    for _ in 0..4 {
        let relay = world.relay().batch(60);
        relays.push(tokio::spawn(async move { relay.run_once().await.unwrap() }));
    }
    let mut all = Relayed::default();
    for relay in relays {
        all += relay.await.unwrap();
    }
    // A relay that found only keys of others has stopped before.
    all += world.relay().run_once().await.unwrap();

    assert_eq!((all.published, all.duplicates), (ROWS, 0));
    assert_eq!(world.count(RowState::Published).await, ROWS);
    let published = world.published();
    let ids: HashSet<_> = published.iter().map(|job| &job.key.id).collect();
    assert_eq!((published.len() as u64, ids.len() as u64), (ROWS, ROWS));
    let mut last = HashMap::new();
    for n in published.iter().map(number).filter(|n| n % 3 != 0) {
        if let Some(before) = last.insert(n % KEYS, n) {
            assert!(before < n, "{n} was published after {before}");
        }
    }
}

async fn a_row_that_fails_stops_the_later_rows_of_its_key_and_no_others<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    enqueue_in_order(&world, "a", 0..4).await;
    enqueue_in_order(&world, "b", 10..13).await;
    world.enqueue_number(20).await;
    // The first wave has 0, 10 and 20; the second begins with 1.
    let (_, relay) = world.faulty_relay(FaultPlan::new().on(Op::Publish, 4, 1, Fault::TooLarge));
    let done = relay.run_once().await.unwrap();
    assert_eq!((done.published, done.failed), (5, 1));
    let numbers = || world.published().iter().map(number).collect::<Vec<_>>();
    assert_eq!(numbers(), [0, 10, 20, 11, 12]);
    // Nothing more of the key, also not by another relay.
    assert_eq!(world.relay().run_once().await.unwrap().taken, 0);

    enqueue_in_order(&world, "a", 4..5).await;
    assert_eq!(world.relay().run_once().await.unwrap().taken, 0);
    assert_eq!(world.table.retry_all().await.unwrap(), 1);
    assert_eq!(world.relay().run_once().await.unwrap().published, 4);
    assert_eq!(numbers()[5..], [1, 2, 3, 4]);
}

async fn a_row_that_waits_stops_the_later_rows_of_its_key<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    enqueue_in_order(&world, "a", 0..3).await;
    let (_, relay) = world.faulty_relay(FaultPlan::new().on(Op::Publish, 1, 1, Fault::Refused));
    let done = relay.run_once().await.unwrap();
    assert_eq!((done.taken, done.published, done.refused), (3, 0, 1));
    assert!(world.published().is_empty());
    world.end_waits().await;
    assert_eq!(world.relay().run_once().await.unwrap().published, 3);
    assert_eq!(world.published().iter().map(number).collect::<Vec<_>>(), [0, 1, 2]);
}

async fn rows_that_another_relay_has_stop_the_later_rows_of_their_keys<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    enqueue_in_order(&world, "a", 0..4).await;
    // This relay takes two rows and then waits for the broker for ever.
    let (faulty, relay) = world.faulty_relay(FaultPlan::new().on(Op::Publish, 1, 1, Fault::Late));
    let slow = tokio::spawn(async move { relay.batch(2).run_once().await });
    naq_testing::eventually("a row is published", std::time::Duration::from_secs(20), async || {
        !world.published().is_empty()
    })
    .await;
    enqueue_in_order(&world, "b", 10..12).await;
    assert_eq!(world.relay().run_once().await.unwrap().published, 2);
    assert_eq!(world.published().iter().map(number).collect::<Vec<_>>(), [0, 10, 11]);
    faulty.release_late();
    slow.await.unwrap().unwrap();
    assert_eq!(world.published().iter().map(number).collect::<Vec<_>>(), [0, 10, 11, 1, 2, 3]);
}
