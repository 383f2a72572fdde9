//! The transport on three servers passes the contract suite.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, stream};
use naq_conformance::{Behaviour, Subject, behaviours};
use naq_core::SystemClock;
use naq_core::clock::{Clock, Timer};
use naq_core::transport::Transport;
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{NatsCluster, unique};
use tokio::sync::Mutex;

/// How many behaviours run at the same time.
const PARALLEL: usize = 8;

/// The behaviours in which a cluster may differ from one server: conditions of a publish, what is
/// written twice, deduplication, schedules, and lists.
const NAMED: [&str; 24] = [
    "a_job_arrives_once_with_its_headers_and_body",
    "the_same_id_twice_is_one_job_while_it_waits_runs_and_is_done",
    "a_chosen_id_is_refused_while_its_record_or_its_letter_is_kept",
    "many_at_once_are_all_stored_and_answered_in_their_order",
    "an_unsettled_delivery_comes_back_after_its_lease_and_is_no_crash_by_itself",
    "a_scheduled_job_is_never_early_and_arrives_unchanged",
    "a_release_that_races_the_due_time_starts_the_job_once",
    "a_retry_that_is_written_again_is_stored_once",
    "records_and_letters_that_are_written_again_are_stored_once",
    "a_give_back_that_is_written_again_is_stored_once",
    "a_late_worker_cannot_bring_back_a_job_that_is_done",
    "a_late_worker_cannot_disturb_a_retry_that_has_started",
    "a_crash_between_record_and_ack_ends_the_job_once",
    "a_crash_between_retry_and_ack_runs_a_due_retry_once",
    "a_crash_between_letter_and_ack_leaves_one_letter",
    "a_crash_between_give_back_and_ack_gives_back_once",
    "of_an_end_and_a_cancel_at_the_same_time_one_counts",
    "two_writers_of_the_same_awaited_end_both_learn_that_others_wait",
    "a_record_expires_after_its_ttl",
    "a_requeue_repeated_after_a_crash_starts_one_life",
    "evidence_of_every_kind_is_found",
    "of_many_writers_with_the_same_expectation_one_stores",
    "a_watch_reports_expired_entries",
    "a_wait_is_notified_of_the_end_and_returns_the_result",
];

struct Cluster {
    transport: NatsTransport,
    /// The servers, if the behaviour may restart them.
    servers: Option<Arc<Mutex<NatsCluster>>>,
}

#[async_trait]
impl Subject for Cluster {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.transport.clone())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(2)
    }

    async fn pass(&self, span: Duration) {
        SystemClock.sleep_until(SystemClock.now() + span).await;
    }

    async fn restart(&self) -> bool {
        let Some(servers) = &self.servers else { return false };
        servers.lock().await.roll().await.expect("the servers restart");
        true
    }
}

/// Checks a behaviour, and returns its name if the subject does not have it. The panic is in the output.
async fn check(behaviour: Behaviour, subject: &Cluster) -> Option<String> {
    let checked = AssertUnwindSafe(behaviour.check(subject)).catch_unwind().await;
    checked.err().map(|_| format!("{behaviour:?}"))
}

async fn check_all(chosen: Vec<Behaviour>, subject: &Cluster, parallel: usize) -> Vec<String> {
    let checks = chosen.into_iter().map(|behaviour| check(behaviour, subject));
    let failed: Vec<_> = stream::iter(checks).buffer_unordered(parallel).collect().await;
    failed.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_pass_the_contract_suite() {
    let all = std::env::var("NAQ_CLUSTER_TESTS").is_ok_and(|which| which == "all");
    let is_named = |behaviour: &Behaviour| NAMED.contains(&behaviour.name);
    let cluster = NatsCluster::start().await.expect("a cluster");
    let config = NatsConfig::new(cluster.url()).prefix(unique("c"));
    let transport = NatsTransport::connect(config).await.expect("a transport");
    let mut subject = Cluster { transport, servers: None };

    let chosen: Vec<_> = behaviours().into_iter().filter(|b| all || is_named(b)).collect();
    assert!(chosen.len() >= NAMED.len(), "a name in the list is not the name of a behaviour");
    let mut failed = check_all(chosen, &subject, PARALLEL).await;
    // One after the other: each of them restarts all servers.
    let restarts = |behaviour: &Behaviour| behaviour.name.contains("restart");
    let chosen: Vec<_> = behaviours().into_iter().filter(|b| all && restarts(b)).collect();
    subject.servers = Some(Arc::new(Mutex::new(cluster)));
    failed.extend(check_all(chosen, &subject, 1).await);
    assert!(failed.is_empty(), "{failed:#?}");
}
