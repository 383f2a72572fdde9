use std::process::Command;
use std::time::Duration;

use naq_testing::ChildProcess;

const SOON: Duration = Duration::from_secs(10);

fn shell(script: &str) -> ChildProcess {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    ChildProcess::spawn(command).unwrap()
}

#[tokio::test]
async fn output_and_exit_status_are_captured() {
    let mut child = shell("echo data; echo log >&2; exit 3");
    assert_eq!(child.wait(SOON).await.unwrap().code(), Some(3));
    assert_eq!((child.stdout().as_str(), child.stderr().as_str()), ("data\n", "log\n"));
    child.terminate().unwrap();
    assert_eq!(child.kill().unwrap().code(), Some(3), "the exit status does not change");
}

#[tokio::test]
async fn signals_reach_the_child() {
    let mut child =
        shell("trap 'echo drained; exit 7' TERM; echo ready; while :; do sleep 0.01; done");
    child.wait_for_output("ready", SOON).await.unwrap();
    child.pause().unwrap();
    child.terminate().unwrap();
    let error = child.wait(Duration::from_millis(200)).await.unwrap_err().to_string();
    assert!(error.contains("still runs"), "{error}");
    child.resume().unwrap();
    assert_eq!(child.wait(SOON).await.unwrap().code(), Some(7));
    assert_eq!(child.stdout(), "ready\ndrained\n");
}

#[tokio::test]
async fn waiting_for_output_that_does_not_come_fails_with_the_log() {
    let mut child = shell("echo trouble >&2; exit 1");
    let error = child.wait_for_output("ready", SOON).await.unwrap_err().to_string();
    assert!(error.contains("without writing \"ready\"") && error.contains("trouble"), "{error}");
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let error = ChildProcess::spawn(Command::new("no-such-program")).unwrap_err().to_string();
    assert!(error.contains("no-such-program"), "{error}");
}
