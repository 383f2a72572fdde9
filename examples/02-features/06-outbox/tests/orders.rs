//! The order and its job: both, or neither.

use naq::QueueName;
use naq::testing::Harness;
use naq::transport::JobKey;
use naq_outbox::{OutboxTable, Relay, RowState, SqliteOutbox};
use outbox::{OrderError, open_database, place_order, registry};

#[tokio::test(flavor = "current_thread")]
async fn an_order_is_shipped_and_an_order_without_money_leaves_nothing() {
    let harness = Harness::new(registry());
    let pool = open_database().await.expect("opens");
    let outbox = SqliteOutbox::new(harness.client().clone());
    let refused = place_order(&pool, &outbox, 9_900, 1_000).await;
    assert!(matches!(refused, Err(OrderError::NoMoney)), "{refused:?}");
    let table = OutboxTable::new(pool.clone());
    assert_eq!(table.count(RowState::Pending).await.expect("counts"), 0);

    let paid = place_order(&pool, &outbox, 350, 1_000).await.expect("placed");
    let done = Relay::new(pool.clone(), harness.client().clone()).run_once().await.expect("relays");
    assert_eq!(done.published, 1);
    harness.drain().await;

    let key = JobKey::new(QueueName::default(), paid);
    let report = harness.client().job(&key.id, Some(&key.queue)).await.expect("is there");
    assert_eq!(report.state, naq::JobState::Completed);
    let orders: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM orders").fetch_one(&pool).await.expect("counts");
    assert_eq!(orders, 1);
}
