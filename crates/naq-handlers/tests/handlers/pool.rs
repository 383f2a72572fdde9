//! Processes that stay.

use naq_core::JobState;
use serde_json::{Value, json};

use crate::kit::{enqueue, lines, run, worker};

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

/// Each answer has the number of the attempt that the process runs, so that a wrong one shows.
#[tokio::test]
async fn a_second_or_late_answer_is_never_the_one_of_another_job() {
    for script in [
        // Twice at once.
        r#"n=0; while read -r l; do n=$((n+1)); printf '{"result":%s}\n{"result":"again"}\n' $n; done"#,
        // An answer and a half.
        r#"n=0; while read -r l; do n=$((n+1)); printf '{"result":%s}\n{"result' $n; done"#,
        // An answer to an earlier run, while the next one runs.
        r#"n=0; while read -r l; do n=$((n+1)); printf '{"result":"late","run":"other"}\n{"result":%s}\n' $n; done"#,
    ] {
        let harness = worker(&pool(script));
        for _ in 0..3 {
            let result: Value = run(&harness).await.result();
            assert!(result.is_number(), "{result} from {script}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_no_json_fails_its_attempt_at_once() {
    for answer in [r#"{"result":"\\ud83d"}"#, r#"{"result":NaN}"#, r#"{"result":1,"more":2}"#] {
        let script =
            format!("while read -r l; do printf '%s\n' '{}'; done", answer.replace("\\\\", "\\"));
        run(&worker(&pool(&script))).await.assert_failed("ProtocolError").assert_attempts(1);
    }
}

#[tokio::test]
async fn a_handler_that_leaves_in_the_middle_runs_at_most_once_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let runs = dir.path().join("runs");
    let script = format!(
        r#"while read -r l; do case "$l" in *leave*) echo x >> {}; exit 0;; esac; sleep 0.1; echo '{{"result":1}}'; done"#,
        runs.display()
    );
    let harness = worker(&pool(&script)).worker(|it| it.concurrency(4));
    for _ in 0..4 {
        enqueue(&harness, json!("work")).await;
    }
    harness.drain().await;
    let job = enqueue(&harness, json!("leave")).await;
    harness.drain().await;
    harness.job(&job).assert_failed("Crash");
    assert!((1..=2).contains(&lines(&runs).len()), "{:?}", lines(&runs));
}

#[tokio::test]
async fn a_process_that_closes_its_output_and_stays_is_a_crash() {
    let job = run(&worker(&pool("read -r l; exec >&-; sleep 1000"))).await;
    job.assert_failed("Crash").assert_attempts(0);
}
