//! Processes that stay.

use naq_core::JobState;
use serde_json::{Value, json};

use crate::kit::{enqueue, run, worker};

fn pool(script: &str) -> String {
    format!("[tasks.t]\nexec_pool = {}\n", json!(["sh", "-c", script]))
}

/// Answers with the number of the process.
const ECHO: &str = r#"while read -r line; do
  case "$line" in *die*) kill -9 $$;; *leave*) echo '{"result":"bye"}'; exit 0;; *fail*) echo '{"error":{"kind":"A"}}'; continue;; esac
  printf '{"result":%s}\n' $$
done"#;

#[tokio::test]
async fn one_process_runs_one_attempt_after_another() {
    let harness = worker(&pool(ECHO));
    let mut pids = Vec::new();
    for _ in 0..3 {
        pids.push(run(&harness).await.result::<u32>());
    }
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    let failed = enqueue(&harness, json!("fail")).await;
    harness.drain().await;
    harness.job(&failed).assert_state(JobState::Retrying).assert_failed("A");
    assert_eq!(run(&harness).await.result::<u32>(), pids[0]);
}

#[tokio::test]
async fn a_process_that_dies_is_a_crash_of_its_job_and_another_takes_its_place() {
    let harness = worker(&pool(ECHO));
    let before: u32 = run(&harness).await.result();
    let killer = enqueue(&harness, json!("die")).await;
    harness.drain().await;
    harness.job(&killer).assert_failed("Crash").assert_attempts(0);
    assert_ne!(run(&harness).await.result::<u32>(), before);
}

#[tokio::test]
async fn a_process_that_ends_between_two_jobs_costs_none_of_them() {
    let harness = worker(&pool(ECHO));
    for _ in 0..20 {
        let job = enqueue(&harness, json!("leave")).await;
        harness.drain().await;
        let job = harness.job(&job);
        // The next job may find the process before or after its end.
        assert_eq!(job.result::<Value>(), json!("bye"));
        job.assert_attempts(1);
    }
}

#[tokio::test]
async fn a_line_that_breaks_the_protocol_fails_the_attempt_and_the_process_is_not_used_again() {
    let script = r#"while read -r line; do echo '{"result":1,'; echo '{"progress":7}'; done"#;
    let job = run(&worker(&pool(script))).await;
    job.assert_state(JobState::Retrying).assert_failed("ProtocolError");
}
