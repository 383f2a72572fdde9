//! `naq dev`: it starts a broker and a worker, and leaves nothing behind.

use std::process::Command;

use naq_testing::ChildProcess;

use crate::run::{PATIENCE, finish, naq, offline};

/// The nats-server that these tests use.
fn nats_server() -> String {
    if let Ok(given) = std::env::var("NAQ_NATS_SERVER") {
        return given;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/nats-server");
    finish(Command::new("bash").arg(script)).ok().line().to_owned()
}

#[tokio::test]
async fn it_starts_a_broker_and_a_worker_and_stops_them_at_the_end() {
    let mut command = naq();
    command.env("NAQ_NATS_SERVER", nats_server()).args(["dev", "--port", "0"]);
    let mut dev = ChildProcess::spawn(command).expect("starts");
    dev.wait_for_output("working on default", PATIENCE).await.expect("works");
    let hello = dev.stdout();
    let word = |lead: &str| {
        let (_, rest) = hello.split_once(lead).unwrap_or_else(|| panic!("{lead} in {hello}"));
        rest.split([',', ';', '\n']).next().unwrap_or_default().to_owned()
    };
    let (url, data) = (word("export NAQ_NATS_URL="), word("data in "));
    let naq = |args: &[&str]| finish(naq().env("NAQ_NATS_URL", &url).args(args));

    let id = naq(&["enqueue", "demo.flaky", "--retry-delay", "100ms"]).ok().line().to_owned();
    let watched = naq(&["job", "watch", &id, "--timeout", "1m"]);
    assert_eq!(watched.code, 0, "{watched:?}");
    for task in ["demo.fail", "demo.panic"] {
        let id = naq(&["enqueue", task, "--max-retries", "0"]).ok().line().to_owned();
        assert_eq!(naq(&["job", "watch", &id, "--timeout", "1m"]).code, 1, "{task}");
    }

    dev.interrupt().expect("a signal");
    assert_eq!(dev.wait(PATIENCE).await.expect("ends").code(), Some(0), "{}", dev.stderr());
    assert_eq!(naq(&["queue", "list"]).code, 4, "the broker is gone");
    assert!(!std::path::Path::new(&data).exists(), "{data} is gone");
}

#[tokio::test]
async fn it_works_on_more_queues() {
    let mut command = naq();
    command.env("NAQ_NATS_SERVER", nats_server());
    command.args(["dev", "mail", "--port", "0", "--no-dashboard"]);
    let mut dev = ChildProcess::spawn(command).expect("starts");
    dev.wait_for_output("working on default, mail", PATIENCE).await.expect("works");
    let hello = dev.stdout();
    let (_, rest) = hello.split_once("export NAQ_NATS_URL=").expect("an address");
    let url = rest.lines().next().unwrap_or_default().to_owned();
    let mut enqueue = naq();
    enqueue.env("NAQ_NATS_URL", url).args(["enqueue", "demo.ok", "--queue", "mail", "--wait"]);
    let done = finish(&mut enqueue);
    assert_eq!(done.code, 0, "{done:?}");
    dev.interrupt().expect("a signal");
    assert_eq!(dev.wait(PATIENCE).await.expect("ends").code(), Some(0), "{}", dev.stderr());
}

#[test]
fn without_a_nats_server_the_error_says_how_to_get_one() {
    let ran = finish(naq().env("PATH", "/nowhere").arg("dev"));
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("2.14") && ran.stderr.contains("NAQ_NATS_SERVER"), "{ran:?}");
    let ran = finish(naq().env("NAQ_NATS_SERVER", "/nowhere/nats-server").arg("dev"));
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("/nowhere/nats-server"), "{ran:?}");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let mut command = naq();
    command.env("NAQ_NATS_SERVER", nats_server());
    let ran = finish(command.args(["dev", "--no-dashboard", "--port", &port]));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains(&port) && ran.stderr.contains("--port 0"), "{ran:?}");
    assert_eq!(offline(&["dev", "--port", "70000"]).code, 2);
}
