//! The programs as processes: the demo alone, and demo and worker with a real broker.

use std::process::Command;
use std::time::Duration;

use naq_testing::{ChildProcess, NatsServer};

const TIMEOUT: Duration = Duration::from_secs(100);

#[test]
fn the_demo_succeeds_without_a_broker() {
    let program = env!("CARGO_BIN_EXE_basic_scheduling");
    let demo = Command::new(program).arg("--memory").output().expect("it starts");
    let output = format!("{demo:?}");
    assert!(
        demo.status.success() && output.contains("every schedule did what it should"),
        "{output}"
    );
}

#[tokio::test]
async fn the_demo_succeeds_with_its_worker_and_a_broker() {
    let server = NatsServer::start().expect("a nats-server");
    let start = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).env("NAQ_NATS_URL", server.url());
        ChildProcess::spawn(command).expect("a program that starts")
    };
    let mut worker = start(env!("CARGO_BIN_EXE_scheduled-jobs-worker"), &["worker"]);
    let mut demo = start(env!("CARGO_BIN_EXE_basic_scheduling"), &[]);
    let status = demo.wait(TIMEOUT).await.expect("an end");
    let output = format!("{}\n{}\n{}", demo.stdout(), demo.stderr(), worker.stderr());
    assert!(status.success() && output.contains("every schedule did what it should"), "{output}");

    let mut list = start(env!("CARGO_BIN_EXE_scheduled-jobs-worker"), &["schedule", "list"]);
    assert!(list.wait(TIMEOUT).await.expect("an end").success());
    for name in ["nightly-report", "morning-digest", "poll-feed", "heartbeat"] {
        assert!(list.stdout().contains(name), "{}", list.stdout());
    }
    worker.terminate().expect("a worker to stop");
    assert!(worker.wait(TIMEOUT).await.expect("an end").success(), "{}", worker.stderr());
}
