//! The programs, over the transport in memory.

use std::process::{Command, ExitCode};
use std::time::Duration;

use job_retries::demo::{DemoRun, Expected, MeasuredWait, Observed, Row, Screen, in_memory};
use job_retries::programs;
use job_retries::tasks::Flaky;
use naq::retry::Rule;
use naq::{JobId, JobState};

#[tokio::test(flavor = "multi_thread")]
async fn every_job_ends_as_its_program_expects() {
    let (client, worker) = in_memory();
    let mut demo = DemoRun::new(client, Duration::from_millis(10), Screen::Silent);
    tokio::select! {
        done = programs::all(&mut demo) => done.expect("a broker and a worker"),
        exit = worker.run(std::future::pending()) => panic!("the worker ended: {exit:?}"),
    }
    assert_eq!(demo.rows().len(), 35);
    for row in demo.rows() {
        assert_eq!(row.differences(), [""; 0], "{row:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ends_in_another_way_fails_the_program() {
    let (client, worker) = in_memory();
    let ms = Duration::from_millis;
    let mut demo = DemoRun::new(client.clone(), ms(10), Screen::Silent);
    let done = async {
        demo.open("program", "a wrong expectation").await?;
        let job = client.enqueue(Flaky::failing(2)).retry_delay(ms(20));
        let expected = Expected::dead_after([ms(30)], Rule::MaxRetries).result("none");
        demo.add("wrong", "completes at attempt 3", job, expected).await?;
        demo.watch().await
    };
    tokio::select! {
        done = done => done.expect("a broker and a worker"),
        exit = worker.run(std::future::pending()) => panic!("the worker ended: {exit:?}"),
    }
    assert_eq!(
        demo.rows()[0].differences(),
        [
            "state should be dead, is completed",
            "attempts should be 2, is 3",
            "waits should be 1, is 2",
            "rule should be max_retries, is succeeded",
            "result should be \"none\", is \"it worked\"",
            "delay 1 is 20ms, not 30ms to 30ms",
        ]
    );
    assert_eq!(demo.finish(), ExitCode::FAILURE);
}

#[test]
fn a_wait_that_is_too_short_is_reported() {
    let wait = |measured| MeasuredWait {
        planned: Duration::from_millis(20),
        measured: Duration::from_millis(measured),
    };
    let row = |measured| Row {
        program: "program",
        name: "early",
        id: JobId::random(),
        expected: Expected::completed_after([Duration::from_millis(20)]),
        observed: Some(Observed {
            state: JobState::Completed,
            attempts: 2,
            waits: vec![wait(measured)],
            rule: Some(Rule::Succeeded),
            result: None,
        }),
    };
    assert_eq!(row(19).differences(), ["wait 1 took 19ms, less than 20ms"]);
    assert_eq!(row(20).differences(), [""; 0]);
}

#[test]
fn the_demo_succeeds_without_a_broker() {
    let demo = Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(["--memory", "--second", "10ms"])
        .output()
        .expect("it starts");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&demo.stdout), String::from_utf8_lossy(&demo.stderr));
    assert!(demo.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("35 of 35 jobs ended as expected"), "{stdout}");
    assert!(!stdout.contains('\u{1b}'), "colours only on a terminal: {stdout}");
    assert_eq!(stderr, "");
}
