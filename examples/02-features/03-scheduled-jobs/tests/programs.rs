//! The real programs, alone and with a real broker between them.

use std::process::Command;
use std::time::Duration;

use naq_testing::{ChildProcess, NatsServer};

const PATIENCE: Duration = Duration::from_secs(100);

#[test]
fn the_demo_ends_well_without_a_broker() {
    let program = env!("CARGO_BIN_EXE_basic_scheduling");
    let demo = Command::new(program).arg("--memory").output().expect("it starts");
    let told = format!("{demo:?}");
    assert!(demo.status.success() && told.contains("all as it should be"), "{told}");
}

#[tokio::test]
async fn the_demo_and_its_worker_do_as_they_say() {
    let server = NatsServer::start().expect("a nats-server");
    let start = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).env("NAQ_NATS_URL", server.url());
        ChildProcess::spawn(command).expect("a program that starts")
    };
    let mut worker = start(env!("CARGO_BIN_EXE_scheduled-jobs-worker"), &["worker"]);
    let mut demo = start(env!("CARGO_BIN_EXE_basic_scheduling"), &[]);
    let status = demo.wait(PATIENCE).await.expect("an end");
    let told = format!("{}\n{}\n{}", demo.stdout(), demo.stderr(), worker.stderr());
    assert!(status.success() && told.contains("all as it should be"), "{told}");

    let mut list = start(env!("CARGO_BIN_EXE_scheduled-jobs-worker"), &["schedule", "list"]);
    assert!(list.wait(PATIENCE).await.expect("an end").success());
    for name in ["nightly-report", "morning-digest", "poll-feed", "heartbeat"] {
        assert!(list.stdout().contains(name), "{}", list.stdout());
    }
    worker.terminate().expect("a worker to stop");
    assert!(worker.wait(PATIENCE).await.expect("an end").success(), "{}", worker.stderr());
}
