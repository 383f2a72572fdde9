//! The programs, over the in-memory transport.

use std::process::Command;
use std::time::Duration;

use job_retries::programs;
use job_retries::stage::{Screen, Stage, in_memory};

#[tokio::test(flavor = "multi_thread")]
async fn every_job_does_as_its_program_says() {
    let (client, worker) = in_memory();
    let mut stage = Stage::new(client, Duration::from_millis(10), Screen::Silent);
    tokio::select! {
        played = programs::all(&mut stage) => played.expect("a broker and a worker"),
        exit = worker.run(std::future::pending()) => panic!("the worker ended: {exit:?}"),
    }
    assert_eq!(stage.rows().len(), 35);
    for row in stage.rows() {
        assert_eq!(row.differences(), [""; 0], "{row:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_does_otherwise_is_told_apart() {
    let (client, worker) = in_memory();
    let mut stage = Stage::new(client, Duration::from_millis(10), Screen::Silent);
    tokio::select! {
        played = programs::basic(&mut stage) => played.expect("a broker and a worker"),
        exit = worker.run(std::future::pending()) => panic!("the worker ended: {exit:?}"),
    }
    let mut row = stage.rows().iter().find(|row| row.name == "list").expect("a row").clone();
    assert_eq!(row.differences(), [""; 0]);

    row.expected.waits[1].min = Duration::from_secs(1);
    row.expected.waits[1].max = Duration::from_secs(1);
    row.expected.waits.pop();
    assert_eq!(
        row.differences(),
        ["attempts should be 3, is 4", "waits should be 2, is 3", "delay 2 is 50ms, not 1s to 1s"]
    );
}

#[test]
fn the_demo_ends_well_without_a_broker() {
    let demo = Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(["--memory", "--second", "10ms"])
        .output()
        .expect("it starts");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&demo.stdout), String::from_utf8_lossy(&demo.stderr));
    assert!(demo.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("35 of 35 jobs did as expected"), "{stdout}");
    assert!(!stdout.contains('\u{1b}'), "colours only on a terminal: {stdout}");
    assert_eq!(stderr, "");
}
