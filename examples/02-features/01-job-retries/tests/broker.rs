//! The real programs as processes, with a real broker between them.

use std::process::Command;
use std::time::Duration;

use naq_testing::{ChildProcess, NatsServer};

const TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_job_of_the_three_programs_ends_as_expected() {
    let server = NatsServer::start().expect("a nats-server");
    let start = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).env("NAQ_NATS_URL", server.url()).env("NAQ_DEMO_SECOND", "50ms");
        ChildProcess::spawn(command).expect("a program that starts")
    };
    let worker = ["worker", "default", "retry_queue", "--log-level", "DEBUG"];
    let mut worker = start(env!("CARGO_BIN_EXE_worker"), &worker);
    // All run at the same time. They share the worker, but not their jobs.
    let programs = [
        (start(env!("CARGO_BIN_EXE_basic_retries"), &[]), "8 of 8"),
        (start(env!("CARGO_BIN_EXE_advanced_retries"), &[]), "16 of 16"),
        (start(env!("CARGO_BIN_EXE_realistic_scenarios"), &[]), "11 of 11"),
    ];
    for (mut program, all) in programs {
        let status = program.wait(TIMEOUT).await.expect("an end");
        let output = format!("{}\n{}\n{}", program.stdout(), program.stderr(), worker.stderr());
        assert!(status.success(), "{output}");
        assert!(output.contains(&format!("{all} jobs ended as expected")), "{output}");
    }
    worker.terminate().expect("a worker to stop");
    let status = worker.wait(TIMEOUT).await.expect("an end");
    assert!(status.success(), "{}", worker.stderr());
}
