//! The same on a cluster of three servers.

use naq_testing::NatsCluster;

use crate::settle_crash::{COMPLETING, RETRYING, check_all_at};

/// One test, because a cluster takes seconds to start.
#[tokio::test]
async fn on_three_servers_a_worker_that_dies_settling_repeats_only_what_has_no_fact() {
    let cluster = NatsCluster::start().await.unwrap();
    let cases: Vec<_> = COMPLETING.into_iter().chain(RETRYING).collect();
    check_all_at(&cluster.url(), &cases).await;
}
