//! What the transaction decides, and what a row holds.

use std::time::Duration;

use naq_client::{EnqueueError, LargeArgs};
use naq_core::seal::KeyRing;
use naq_core::sign::SigningKey;
use naq_core::{Job, JobState};
use naq_outbox::{MAX_ORDER_KEY, Outbox, OutboxError, Relay, RowState, in_order};
use serde::{Deserialize, Serialize};

use crate::database::{TestDatabase, on_both};
use crate::world::World;

on_both!(
    a_job_is_there_after_the_commit_and_not_after_a_rollback,
    a_row_has_every_option_of_the_builder,
    many_jobs_are_inserted_in_order,
    a_row_is_signed_and_encrypted_when_it_is_enqueued,
    a_unique_key_and_a_chosen_id_hold_when_the_row_is_published,
    large_arguments_come_with_the_row,
    what_cannot_be_written_is_an_error_before_the_insert,
    without_the_table_the_error_says_how_to_create_it,
);

#[derive(Debug, Serialize, Deserialize)]
struct Ship {
    order: u32,
}

impl Job for Ship {
    const NAME: &'static str = "order.ship";
    type Output = ();
}

async fn a_job_is_there_after_the_commit_and_not_after_a_rollback<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let mut tx = world.pool.begin().await.unwrap();
    world.outbox.enqueue(&mut tx, Ship { order: 1 }).await.unwrap();
    tx.rollback().await.unwrap();
    let id = world.enqueue(Ship { order: 2 }).await;

    let open = world.pool.begin().await.unwrap();
    let done = world.relay().run_once().await.unwrap();
    drop(open);

    assert_eq!((done.taken, done.published, done.duplicates), (1, 1, 0));
    assert_eq!(world.published_ids(), [id.to_string()]);
    let report = world.client.job(&id, None).await.unwrap();
    assert_eq!(report.state, JobState::Pending);
    assert_eq!(report.envelope.unwrap().task.as_str(), "order.ship");
    // The second look finds nothing.
    assert_eq!(world.relay().run_once().await.unwrap().taken, 0);
}

async fn a_row_has_every_option_of_the_builder<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let job = world.client.enqueue(Ship { order: 7 }).queue("slow").id("ship-7").tag("vip");
    let job = job.delay(Duration::from_secs(90)).max_retries(9).timeout(Duration::from_secs(5));
    let id = world.enqueue(job).await;
    let row = world.table.list(&[RowState::Pending], 0, 9).await.unwrap().remove(0);
    assert_eq!((row.queue.as_str(), row.job_id.as_str()), ("slow", "ship-7"));
    assert_eq!((row.task.as_str(), row.state), ("order.ship", Some(RowState::Pending)));

    world.relay().run_once().await.unwrap();

    let report = world.client.job(&id, None).await.unwrap();
    assert_eq!(report.state, JobState::Scheduled);
    let job = report.envelope.unwrap();
    assert_eq!((job.tags, job.policy.max_retries()), (vec!["vip".to_owned()], 9));
    assert_eq!(job.timeout, Some(Duration::from_secs(5)));
}

async fn many_jobs_are_inserted_in_order<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let mut tx = world.pool.begin().await.unwrap();
    let jobs = (0..2_300).map(|order| in_order("all", Ship { order }));
    let ids = world.outbox.enqueue_all(&mut tx, jobs).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.count(RowState::Pending).await, 2_300);

    world.relay().batch(700).run_once().await.unwrap();

    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(world.published_ids(), ids);
    let mut tx = world.pool.begin().await.unwrap();
    let none = world.outbox.enqueue_all(&mut tx, Vec::<Ship>::new()).await.unwrap();
    assert!(none.is_empty());
}

async fn a_row_is_signed_and_encrypted_when_it_is_enqueued<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let key = SigningKey::generate();
    let ring: KeyRing = "a=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".parse().unwrap();
    let signing = world.client.clone().sign_with(key).encrypt_with(ring.clone());
    let outbox = Outbox::<DB>::new(signing.clone());
    let mut tx = world.pool.begin().await.unwrap();
    let id = outbox.enqueue(&mut tx, Ship { order: 4711 }).await.unwrap();
    tx.commit().await.unwrap();
    let body = DB::bytes(&world.pool, "SELECT body FROM naq_outbox").await.remove(0);
    assert!(!String::from_utf8_lossy(&body).contains("4711"), "the arguments can be read");

    // This relay has no keys.
    world.relay().run_once().await.unwrap();

    let sent = world.published().remove(0);
    assert_eq!(sent.message.body, body, "the relay has changed the job");
    let report = signing.job(&id, None).await.unwrap();
    assert!(report.envelope.unwrap().signature.is_some());
    let args: Ship = report.args.unwrap().decode().unwrap();
    assert_eq!(args.order, 4711);
    // A published row holds no message any more.
    assert_eq!(DB::bytes(&world.pool, "SELECT body FROM naq_outbox").await, [Vec::<u8>::new()]);
}

async fn a_unique_key_and_a_chosen_id_hold_when_the_row_is_published<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let unique = || world.client.enqueue(Ship { order: 1 }).unique("order-1");
    let first = world.enqueue(unique()).await;
    world.enqueue(unique()).await;
    let chosen = || world.client.enqueue(Ship { order: 2 }).id("ship-2");
    world.enqueue(chosen()).await;
    world.enqueue(chosen().once()).await;

    let done = world.relay().run_once().await.unwrap();

    assert_eq!((done.published, done.duplicates), (4, 2));
    let mut ids = world.published_ids();
    ids.sort();
    let mut expected = vec![first.to_string(), "ship-2".to_owned()];
    expected.sort();
    assert_eq!(ids, expected);
}

async fn large_arguments_come_with_the_row<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let client = world.client.clone().large_args(LargeArgs::Store);
    let text = "x".repeat(3_000_000);
    let id = world.enqueue(client.enqueue_task("big", &text).unwrap()).await;

    let done = Relay::new(world.pool.clone(), client.clone()).run_once().await.unwrap();

    assert_eq!(done.published, 1);
    let report = client.job(&id, None).await.unwrap();
    assert!(report.envelope.unwrap().args_blob.is_some());
    let stored =
        DB::numbers(&world.pool, "SELECT COUNT(*) FROM naq_outbox WHERE args IS NOT NULL").await;
    assert_eq!(stored, [0]);
}

async fn what_cannot_be_written_is_an_error_before_the_insert<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    let mut tx = world.pool.begin().await.unwrap();
    let ship = || world.client.enqueue(Ship { order: 1 });
    let wait = Duration::from_secs(5);
    let debounced = world.outbox.enqueue(&mut tx, ship().debounce("key", wait)).await;
    let Err(OutboxError::Job(EnqueueError::Option(why))) = debounced else {
        panic!("{debounced:?}")
    };
    assert!(why.contains("debounced"), "{why}");
    for key in [String::new(), "k".repeat(MAX_ORDER_KEY + 1)] {
        let refused = world.outbox.enqueue(&mut tx, in_order(key, ship())).await;
        assert!(matches!(refused, Err(OutboxError::OrderKey(_))), "{refused:?}");
    }
    let jobs = vec![ship(), ship().timeout(Duration::ZERO)];
    assert!(world.outbox.enqueue_all(&mut tx, jobs).await.is_err());
    tx.commit().await.unwrap();
    assert_eq!(world.count(RowState::Pending).await, 0);
}

async fn without_the_table_the_error_says_how_to_create_it<DB: TestDatabase>() {
    let world = World::<DB>::new().await;
    DB::execute(&world.pool, "DROP TABLE naq_outbox").await;
    let mut tx = world.pool.begin().await.unwrap();
    let refused = world.outbox.enqueue(&mut tx, Ship { order: 1 }).await;
    assert!(matches!(refused, Err(OutboxError::NoTable)), "{refused:?}");
    drop(tx);
    let refused = world.relay().run(std::future::pending()).await;
    assert!(matches!(refused, Err(OutboxError::NoTable)), "{refused:?}");
    world.table.create().await.unwrap();
    world.table.create().await.unwrap();
    world.enqueue(Ship { order: 1 }).await;
}
