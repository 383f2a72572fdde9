//! `naq worker` in a binary with its own tasks.

use naq_testing::{ChildProcess, eventually};

use crate::run::{Broker, PATIENCE, finish, own_binary};

#[tokio::test]
async fn the_log_describes_each_attempt() {
    let broker = Broker::start();
    let mut worker = broker.worker(&["default", "retry_queue", "--log-level", "DEBUG"]);
    let id = broker.enqueue(&[
        "flaky",
        "-q",
        "retry_queue",
        "--args",
        "2",
        "--retry-delay",
        "100ms/200ms",
    ]);
    assert_eq!(broker.watch(&id).code, 0);
    worker.wait_for_output("attempt 3 of 4 succeeded", PATIENCE).await.expect("the story");
    let log = worker.stderr();
    let mut rest = log.as_str();
    for part in [
        "attempt 1 of 4 failed: ConnectionError: the service is down",
        "; retrying in 100ms (strategy: listed delays)  job=",
        "attempt 2 of 4 failed: ConnectionError: the service is down",
        "; retrying in 200ms (strategy: listed delays)  job=",
        "attempt 3 of 4 succeeded",
    ] {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part} is missing in {log}"));
        rest = &rest[at..];
    }
    assert!(log.contains(&format!("job={id}")), "{log}");
    assert_eq!(worker.stdout(), "", "logs are on stderr");
}

#[tokio::test]
async fn the_json_log_has_one_line_for_an_attempt_with_the_decision_as_fields() {
    let broker = Broker::start();
    let mut worker = broker.worker(&["--log-format", "json"]);
    let id = broker.enqueue(&["flaky", "--args", "1", "--retry-delay", "100ms"]);
    assert_eq!(broker.watch(&id).code, 0);
    worker.terminate().expect("a signal");
    worker.wait(PATIENCE).await.expect("ends");
    let log = worker.stderr();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of_job: Vec<_> = lines.iter().filter(|line| line["span"]["job"] == *id).collect();
    assert_eq!(of_job.len(), 1, "one attempt failed, and a success is not logged at info: {log}");
    let line = of_job[0];
    assert_eq!(
        (&line["kind"], &line["rule"]),
        (&"ConnectionError".into(), &"strategy".into()),
        "{line}"
    );
    assert_eq!(line["delay_ms"], 100, "{line}");
    assert!(line["next_at"].as_str().is_some_and(|at| at.starts_with("20")), "{line}");
    let stopping = lines.iter().filter(|line| line["message"].to_string().contains("stopping: "));
    assert_eq!(stopping.count(), 1, "{log}");
}

#[tokio::test]
async fn a_signal_drains_the_worker_and_it_ends_with_exit_0() {
    let broker = Broker::start();
    let mut worker = broker.worker(&[]);
    worker.wait_for_output("working on default", PATIENCE).await.expect("starts");
    worker.interrupt().expect("a signal");
    assert_eq!(worker.wait(PATIENCE).await.expect("ends").code(), Some(0), "{}", worker.stderr());
}

fn signal(worker: &mut ChildProcess, interrupt: bool) {
    let sent = if interrupt { worker.interrupt() } else { worker.terminate() };
    sent.expect("a signal");
}

#[tokio::test]
async fn running_jobs_finish_after_the_first_signal() {
    let broker = Broker::start();
    let mut worker = broker.worker(&["--log-level", "debug"]);
    let id = broker.enqueue(&["wait", "--args", "1500"]);
    worker.wait_for_output("attempt 1 of 4 started", PATIENCE).await.expect("it runs");
    worker.terminate().expect("a signal");
    assert_eq!(worker.wait(PATIENCE).await.expect("ends").code(), Some(0), "{}", worker.stderr());
    let job = broker.json(&["job", "show", &id]);
    assert_eq!((&job["state"], &job["attempt"]), (&"completed".into(), &1.into()), "{job}");
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_with_the_exit_code_of_shells() {
    let broker = Broker::start();
    for (interrupt, code) in [(true, 130), (false, 143)] {
        let mut worker = broker.worker(&["--log-level", "debug", "--lease", "1s"]);
        let id = broker.enqueue(&["wait", "--args", "600000"]);
        worker.wait_for_output("attempt 1 of 4 started", PATIENCE).await.expect("it runs");
        signal(&mut worker, interrupt);
        worker
            .wait_for_output("a second signal ends the worker at once", PATIENCE)
            .await
            .expect("it is stopping");
        signal(&mut worker, interrupt);
        let ended = worker.wait(PATIENCE).await.expect("ends");
        assert_eq!(ended.code(), Some(code), "{}", worker.stderr());
        broker.naq(&["job", "cancel", &id]).ok();
    }
}

#[test]
fn the_queue_can_come_from_the_environment() {
    let broker = Broker::start();
    let mut command = std::process::Command::new(own_binary());
    command.env("NAQ_NATS_URL", broker.server.url()).env("NAQ_DEFAULT_QUEUE", "mail");
    let mut worker = ChildProcess::spawn({
        command.arg("worker");
        command
    })
    .expect("starts");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio");
    runtime
        .block_on(worker.wait_for_output("working on mail", PATIENCE))
        .expect("it works on the queue of the variable");
}

#[test]
fn without_a_broker_it_ends_with_exit_4() {
    let mut command = std::process::Command::new(own_binary());
    let ran = finish(command.env("NAQ_NATS_URL", "nats://127.0.0.1:9").arg("worker"));
    assert_eq!(ran.code, 4, "{ran:?}");
}

#[tokio::test]
async fn a_signal_ends_a_worker_that_waits_for_the_broker() {
    let mut broker = Broker::start();
    broker.server.kill().expect("a broker that is away");
    for interrupt in [true, false] {
        let mut worker = broker.worker(&["--wait-for-broker"]);
        worker.wait_for_output("waiting for the broker", PATIENCE).await.expect("it waits");
        signal(&mut worker, interrupt);
        let ended = worker.wait(PATIENCE).await.expect("ends");
        assert_eq!(ended.code(), Some(0), "{}", worker.stderr());
    }
}

#[tokio::test]
async fn with_wait_for_broker_it_waits_for_one() {
    let mut broker = Broker::start();
    broker.server.kill().expect("a broker that is away");
    let worker = broker.worker(&["--wait-for-broker"]);
    eventually("it says that it waits", PATIENCE, async || {
        worker.stderr().contains("waiting for the broker")
    })
    .await;
    broker.server.restart().expect("a broker");
    eventually("it works", PATIENCE, async || worker.stderr().contains("working on default")).await;
}
