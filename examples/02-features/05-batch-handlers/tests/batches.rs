//! One insert for many jobs, one end for each of them.

use std::sync::Arc;

use batch_handlers::{Database, ImportPrice, registry};
use naq::testing::Harness;

fn line(text: &str) -> ImportPrice {
    ImportPrice { line: text.into() }
}

#[tokio::test(flavor = "current_thread")]
async fn good_lines_are_inserted_together_and_a_bad_line_dies_alone() {
    let database = Arc::new(Database::default());
    // As many slots as jobs: a batch that fills all slots does not wait.
    let harness = Harness::new(registry(database.clone())).worker(|worker| worker.concurrency(3));
    let tea = harness.client().enqueue(line("tea=350")).await.expect("enqueued");
    let bad = harness.client().enqueue(line("coffee=much")).await.expect("enqueued");
    let milk = harness.client().enqueue(line("milk=120")).await.expect("enqueued");
    harness.drain().await;
    harness.job(&tea).assert_completed();
    harness.job(&milk).assert_completed();
    harness.job(&bad).assert_dead("ValueError").assert_attempts(1);
    let inserts = database.inserts.lock().expect("not poisoned").clone();
    assert_eq!(inserts, [[("tea".to_owned(), 350), ("milk".to_owned(), 120)]]);
}

#[tokio::test(flavor = "current_thread")]
async fn an_outage_of_the_database_is_a_failed_attempt_of_each_job() {
    let database = Arc::new(Database::default());
    *database.outages.lock().expect("not poisoned") = 1;
    let harness = Harness::new(registry(database.clone())).worker(|worker| worker.concurrency(2));
    let tea = harness.client().enqueue(line("tea=350")).await.expect("enqueued");
    let milk = harness.client().enqueue(line("milk=120")).await.expect("enqueued");
    harness.run_to_end().await;
    for job in [&tea, &milk] {
        harness.job(job).assert_completed().assert_attempts(2);
    }
    assert_eq!(database.inserts.lock().expect("not poisoned").len(), 1);
}
