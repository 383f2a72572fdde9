//! The jobs of the flows end as planned, in memory and on a real broker.

use std::process::Command;
use std::time::Duration;

use job_dependencies::demo;
use naq::{JobState, WorkflowReport};
use naq_testing::{ChildProcess, NatsServer};

fn states(report: &WorkflowReport) -> Vec<(&str, Option<JobState>, Option<u32>)> {
    report.jobs.iter().map(|job| (job.name.as_str(), job.state, job.attempt)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_job_ends_as_the_ends_of_its_parents_decide() {
    use JobState::{Cancelled, Completed, Dead};
    let (client, worker) = demo::in_memory();
    let [etl, regions] = tokio::select! {
        done = demo::run(&client) => done.expect("a broker and a worker"),
        exit = worker.run(std::future::pending()) => panic!("the worker ended: {exit:?}"),
    };
    let ended = |name, state, attempt| (name, Some(state), Some(attempt));
    assert_eq!(
        states(&etl),
        [
            ended("extract", Completed, 2),
            ended("clean", Completed, 1),
            ended("enrich", Completed, 1),
            ended("load", Completed, 1),
        ]
    );
    assert_eq!(
        states(&regions),
        [
            ended("north", Completed, 1),
            ended("south", Completed, 2),
            ended("west", Dead, 3),
            ended("report", Completed, 1),
            ended("alert", Completed, 1),
            ended("invoice", Cancelled, 1),
        ]
    );
    let result = async |report: &WorkflowReport, name: &str| {
        let job = report.jobs.iter().find(|job| job.name == name).expect("a job");
        let report = client.report(&job.key).await.expect("a report");
        report.result.expect("a result").decode::<serde_json::Value>().expect("JSON")
    };
    assert_eq!(result(&etl, "load").await, 900 + 500);
    assert_eq!(result(&regions, "report").await, 30);
    let alert = result(&regions, "alert").await.to_string();
    assert!(alert.contains("-west: west is down"), "{alert}");
}

#[tokio::test]
async fn the_demo_runs_on_a_broker_and_the_command_draws_it() {
    let server = NatsServer::start().expect("a nats-server");
    let run = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).env("NAQ_NATS_URL", server.url());
        command
    };
    let mut demo = ChildProcess::spawn(run(env!("CARGO_BIN_EXE_job-dependencies-demo"), &[]))
        .expect("it starts");
    let status = demo.wait(Duration::from_secs(60)).await.expect("an end");
    let output = format!("{}\n{}", demo.stdout(), demo.stderr());
    assert!(status.success() && output.contains("by hand: 110 rows"), "{output}");
    let id = output.split("naq workflow show ").nth(2).expect("two").split_whitespace().next();
    let args = ["workflow", "show", id.expect("an id"), "--ascii", "--color", "never"];
    let drawn =
        run(env!("CARGO_BIN_EXE_job-dependencies-worker"), &args).output().expect("it starts");
    let drawn = String::from_utf8_lossy(&drawn.stdout);
    assert!(drawn.contains("x west  dead  attempt 3 of 3"), "{drawn}");
    assert!(drawn.contains("- invoice  cancelled  after north, south, west"), "{drawn}");
}
