//! One process an attempt.

use std::time::Duration;

use naq_core::JobState;
use naq_testing::eventually;
use serde_json::{Value, json};

use crate::kit::{enqueue, last_message, lines, run, worker};

/// A task `t` that a shell runs.
fn shell(script: &str) -> String {
    shell_with(script, "")
}

fn shell_with(script: &str, more: &str) -> String {
    let exec = json!(["sh", "-c", script]);
    format!("[tasks.t]\nexec = {exec}\n{more}\n")
}

#[tokio::test]
async fn plain_text_is_the_result() {
    let job = run(&worker(&shell("echo hello; echo world"))).await;
    assert_eq!(job.result::<String>(), "hello\nworld");
}

#[tokio::test]
async fn the_request_is_one_line_of_json_on_the_standard_input() {
    let harness = worker(&shell(r#"read -r line; printf '{"result":%s}' "$line""#));
    let request: Value = run(&harness).await.result();
    assert_eq!(request["v"], 1);
    assert_eq!(request["task"], "t");
    assert_eq!(request["args"], json!({"to": "ä"}));
    assert_eq!((&request["attempt"], &request["max_attempts"]), (&json!(1), &json!(4)));
    assert_eq!(request["idempotency_key"], request["id"]);
    assert_eq!(request["last_error"], Value::Null);
    for field in ["queue", "crashes", "snoozes", "timeout_ms", "deadline", "traceparent", "tags"] {
        assert!(request.get(field).is_some(), "{field}");
    }
}

#[tokio::test]
async fn the_environment_has_the_job_and_not_the_workers_secrets() {
    let script = r#"echo "$NAQ_TASK $NAQ_ATTEMPT of $NAQ_MAX_ATTEMPTS $MINE"; env"#;
    let harness = worker(&shell_with(script, "env = { MINE = \"yes\" }"));
    let text: String = run(&harness).await.result();
    assert!(text.starts_with("t 1 of 4 yes\n"), "{text}");
    // Cargo gives this one to the test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!text.contains("CARGO_MANIFEST_DIR"), "{text}");
}

#[tokio::test]
async fn a_variable_is_passed_on_if_the_file_names_it() {
    let harness = worker(&shell_with("env", "pass_env = [\"CARGO_MANIFEST_DIR\"]"));
    let text: String = run(&harness).await.result();
    assert!(text.contains("CARGO_MANIFEST_DIR="), "{text}");
}

#[tokio::test]
async fn an_exit_code_is_a_failure_with_the_last_line_of_the_standard_error() {
    let harness = worker(&shell("echo first >&2; echo no such address >&2; exit 75"));
    let job = run(&harness).await;
    job.assert_state(JobState::Retrying).assert_failed("ExitCode.75");
    assert_eq!(last_message(&job), "exit code 75: no such address");
}

#[tokio::test]
async fn wrong_usage_and_wrong_data_are_never_retried() {
    for code in [64, 65] {
        run(&worker(&shell(&format!("exit {code}")))).await.assert_dead("ExitCode");
    }
}

#[tokio::test]
async fn the_file_says_what_an_exit_code_means() {
    let more = "exit_codes = { 3 = \"never\", 4 = \"snooze:1m\", 65 = \"policy\" }";
    run(&worker(&shell_with("exit 3", more))).await.assert_dead("ExitCode.3");
    let snoozed = run(&worker(&shell_with("exit 4", more))).await;
    snoozed.assert_retries_in(Duration::from_secs(60)).assert_attempts(0);
    run(&worker(&shell_with("exit 65", more))).await.assert_state(JobState::Retrying);
}

#[tokio::test]
async fn an_answer_counts_more_than_the_exit_code() {
    let error = r#"echo '{"error":{"kind":"HTTPError.429","message":"slow","then":"retry_after","after_ms":700}}'"#;
    run(&worker(&shell(error))).await.assert_retries_in(Duration::from_millis(700));
    let result = r#"echo '{"result":7}'; exit 1"#;
    assert_eq!(run(&worker(&shell(result))).await.result::<u32>(), 7);
}

#[tokio::test]
async fn a_killed_command_is_a_crash_that_counts_no_attempt_and_its_neighbour_completes() {
    let script = r#"read -r line; case "$line" in *guilty*) kill -9 $$;; esac; echo fine"#;
    let harness = worker(&shell(script));
    let guilty = enqueue(&harness, json!("guilty")).await;
    let innocent = enqueue(&harness, json!("innocent")).await;
    harness.drain().await;
    harness.job(&innocent).assert_completed();
    let job = harness.job(&guilty);
    job.assert_failed("Crash").assert_attempts(0);
    assert_eq!(job.report().envelope.as_ref().map(|job| job.crashes), Some(1));
    harness.run_to_end().await;
    let job = harness.job(&guilty);
    job.assert_dead("Crash");
    assert_eq!(job.report().envelope.as_ref().map(|job| job.crashes), Some(3));
}

#[tokio::test]
async fn a_checkpoint_is_in_the_request_of_the_next_attempt() {
    let script = r#"read -r line
case "$line" in
  *'"checkpoint":{"row":7}'*) echo '{"result":"went on"}';;
  *) echo '{"progress":{"done":7,"total":9,"message":"row 7"}}'; echo '{"checkpoint":{"row":7}}'; exit 1;;
esac"#;
    let harness = worker(&shell(script));
    let job = enqueue(&harness, json!(null)).await;
    harness.run_to_end().await;
    let job = harness.job(&job);
    assert_eq!(job.result::<String>(), "went on");
    job.assert_attempts(2);
}

#[tokio::test]
async fn the_last_error_is_in_the_request_of_the_next_attempt() {
    let script = r#"read -r line
case "$line" in *'"kind":"A.b"'*'"attempt'*|*'"last_error":{"kind":"A.b","message":"m"}'*) exit 0;; esac
echo '{"error":{"kind":"A.b","message":"m"}}'"#;
    let harness = worker(&shell(script));
    let job = enqueue(&harness, json!(null)).await;
    harness.run_to_end().await;
    harness.job(&job).assert_completed().assert_attempts(2);
}

#[tokio::test]
async fn a_timeout_ends_the_whole_process_group() {
    let dir = tempfile::tempdir().expect("a directory");
    let pids = dir.path().join("pids");
    // The inner sleep would outlive its shell.
    let script = format!("sleep 1000 & echo $! >> {0}; echo $$ >> {0}; wait", pids.display());
    let job = run(&worker(&shell_with(&script, "timeout = \"300ms\""))).await;
    job.assert_state(JobState::Retrying).assert_failed("TimeoutError");
    let pids = lines(&pids);
    assert_eq!(pids.len(), 2);
    for pid in pids {
        gone(pid.parse().expect("a process id")).await;
    }
}

/// Waits until the process has ended. A zombie has ended too: the process that inherited it reaps it.
async fn gone(pid: u32) {
    let stat = format!("/proc/{pid}/stat");
    let alive = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    eventually("the process ends", Duration::from_secs(100), async || !alive()).await;
}

#[tokio::test]
async fn a_command_that_does_not_read_its_request_still_works() {
    let harness = worker(&shell("exec <&-; echo done"));
    let job = enqueue(&harness, json!("x".repeat(300_000))).await;
    harness.drain().await;
    assert_eq!(harness.job(&job).result::<String>(), "done");
}

#[tokio::test]
async fn a_large_request_and_a_large_result_pass_the_pipes() {
    let harness =
        worker(&shell(r#"read -r line; echo "${#line}"; printf '{"result":"%0400000d"}' 0"#));
    let job = enqueue(&harness, json!("x".repeat(400_000))).await;
    harness.drain().await;
    assert_eq!(harness.job(&job).result::<String>().len(), 400_000);
}

#[tokio::test]
async fn an_object_of_another_program_is_text_and_a_broken_answer_is_a_failure() {
    let printed = run(&worker(&shell(r#"echo '{"result":[1],"count":1}'"#))).await;
    assert_eq!(printed.result::<String>(), r#"{"result":[1],"count":1}"#);
    run(&worker(&shell(r#"echo '{"result":NaN}'"#))).await.assert_failed("ProtocolError");
}

#[tokio::test]
async fn a_trace_context_that_no_variable_can_hold_does_not_stop_the_job() {
    let harness = worker(&shell("echo \"<$TRACEPARENT>\""));
    for (trace, seen) in [
        ("a\0b".to_owned(), "<>"),
        ("x".repeat(200_000), "<>"),
        ("00-ab-cd-01".to_owned(), "<00-ab-cd-01>"),
    ] {
        let job = harness.client().enqueue_task("t", &json!(1)).expect("a task").traceparent(trace);
        let job = job.await.expect("stored");
        harness.drain().await;
        assert_eq!(harness.job(&job).result::<String>(), seen);
    }
}
