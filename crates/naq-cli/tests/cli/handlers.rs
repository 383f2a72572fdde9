//! The stock binary with handlers in other languages.

use std::path::{Path, PathBuf};

use naq_testing::{ChildProcess, eventually};
use serde_json::{Value, json};

use crate::run::{Broker, PATIENCE, finish, naq};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/01-basics/any-language")
}

/// A stock worker in this directory.
pub(crate) fn worker_in(broker: &Broker, dir: &Path, args: &[&str]) -> ChildProcess {
    let mut command = naq();
    command.env("NAQ_NATS_URL", broker.server.url()).current_dir(dir).arg("worker").args(args);
    ChildProcess::spawn(command).unwrap_or_else(|err| panic!("{err:#}"))
}

fn result_of(broker: &Broker, args: &[&str]) -> Value {
    let ran = broker.naq(&[&["enqueue"], args, &["--wait", "--wait-timeout", "60s"]].concat());
    ran.ok().json()
}

#[test]
fn the_example_in_any_language_does_what_its_readme_says() {
    let broker = Broker::start();
    let _worker = worker_in(&broker, &example(), &["default"]);
    let greeting = result_of(&broker, &["greet", "--args", r#"{"name":"Ada"}"#]);
    assert_eq!(greeting, "hello Ada, attempt 1 of 4");
    let flaky = ["flaky", "--args", r#"{"fail":2}"#, "--retry-delay", "200ms"];
    assert_eq!(result_of(&broker, &flaky), "done in attempt 3");
    assert_eq!(result_of(&broker, &["sum", "--args", "[1,2,3]"]), 6);
    for (args, kind) in [
        (["greet", "--args", "{}"], "ExitCode.66"),
        (["mean", "--args", "[]"], "ValueError.ZeroDivisionError"),
    ] {
        let id = broker.enqueue(&args);
        assert_eq!(broker.watch(&id).code, 1);
        let job = broker.json(&["job", "show", &id]);
        assert_eq!(job["state"], "dead", "{job}");
        assert_eq!(job["attempts"][0]["error_kind"], kind, "{job}");
    }
}

#[test]
fn without_handlers_it_says_how_to_name_some() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = naq();
    command.env("NAQ_NATS_URL", broker.server.url()).current_dir(dir.path()).arg("worker");
    let ran = finish(&mut command);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("--exec email.send="), "{ran:?}");
    let ran = finish(naq().args(["worker", "--exec", "t=no-such-program"]));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("is not found"), "{ran:?}");
}

/// A worker whose task `t` writes its process ids to a file, and then sleeps in two processes.
fn sleeping_worker(broker: &Broker, dir: &Path, args: &[&str]) -> (ChildProcess, PathBuf) {
    let pids = dir.join("pids");
    let script = format!("t=sh -c 'sleep 1000 & echo $! $$ > {}; wait'", pids.display());
    let all = [&["--exec", script.as_str(), "--log-level", "debug"], args].concat();
    (worker_in(broker, dir, &all), pids)
}

async fn pids_in(file: &Path) -> Vec<String> {
    let read = || std::fs::read_to_string(file).unwrap_or_default();
    eventually("the command runs", PATIENCE, async || read().ends_with('\n')).await;
    read().split_whitespace().map(str::to_owned).collect()
}

fn is_alive(pid: &str) -> bool {
    // A zombie has ended.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn a_cancelled_job_ends_all_processes_of_its_command() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().expect("a directory");
    let (_worker, file) = sleeping_worker(&broker, dir.path(), &[]);
    let id = broker.enqueue(&["t"]);
    let pids = pids_in(&file).await;
    broker.naq(&["job", "cancel", &id]).ok();
    eventually("the processes end", PATIENCE, async || !pids.iter().any(|pid| is_alive(pid))).await;
    assert_eq!(broker.json(&["job", "show", &id])["state"], "cancelled");
}

#[tokio::test]
async fn a_process_that_ignores_the_request_to_end_is_killed_with_its_group() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().expect("a directory");
    // The leader ends; its child ignores SIGTERM and has no output.
    let script = r#"t=sh -c 'sh -c "trap \"\" TERM; echo \$\$ > pids; while :; do sleep 1; done" > /dev/null 2>&1 & wait'"#;
    let _worker = worker_in(&broker, dir.path(), &["--exec", script]);
    let id = broker.enqueue(&["t"]);
    let pids = pids_in(&dir.path().join("pids")).await;
    broker.naq(&["job", "cancel", &id]).ok();
    eventually("the child ends", PATIENCE, async || !pids.iter().any(|pid| is_alive(pid))).await;
}

#[tokio::test]
async fn a_shutdown_ends_the_command_gives_the_job_back_and_counts_no_crash() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().expect("a directory");
    let (mut worker, file) = sleeping_worker(&broker, dir.path(), &["--shutdown-timeout", "200ms"]);
    let id = broker.enqueue(&["t"]);
    let pids = pids_in(&file).await;
    worker.terminate().expect("a signal");
    let ended = worker.wait(PATIENCE).await.expect("ends");
    assert_eq!(ended.code(), Some(0), "{}", worker.stderr());
    eventually("the processes end", PATIENCE, async || !pids.iter().any(|pid| is_alive(pid))).await;
    std::fs::remove_file(&file).expect("removed");
    let (_worker, file) = sleeping_worker(&broker, dir.path(), &[]);
    pids_in(&file).await;
    let job = broker.json(&["job", "show", &id]);
    assert_eq!((&job["attempt"], &job["crashes"]), (&json!(1), &json!(0)), "{job}");
}

#[tokio::test]
async fn a_killed_worker_is_a_crash_and_the_job_runs_again_on_another() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().expect("a directory");
    let script = r#"t=sh -c 'if [ ! -e once ]; then touch once; sleep 2; fi; echo "$NAQ_ATTEMPT"'"#;
    let args = ["--exec", script, "--lease", "1s"];
    let mut first = worker_in(&broker, dir.path(), &args);
    let id = broker.enqueue(&["t"]);
    let begun = dir.path().join("once");
    eventually("the command runs", PATIENCE, async || begun.exists()).await;
    first.kill().expect("killed");
    let _second = worker_in(&broker, dir.path(), &args);
    assert_eq!(broker.watch(&id).code, 0);
    let job = broker.json(&["job", "show", &id]);
    assert_eq!((&job["state"], &job["result"]), (&json!("completed"), &json!("1")), "{job}");
}

#[tokio::test]
async fn slots_follow_what_a_service_says_and_a_refused_connection_costs_no_attempt() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().expect("a directory");
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/naq");
    let mut worker = worker_in(&broker, dir.path(), &["--http", &url]);
    let waits = format!("waiting for the handlers at {url}");
    worker.wait_for_output(&waits, PATIENCE).await.expect("it waits");
    let server = python_service(dir.path(), port);
    worker.wait_for_output("3 slots", PATIENCE).await.expect("its slots");
    assert_eq!(result_of(&broker, &["double", "--args", "21"]), 42);
    drop(server);
    let id = broker.enqueue(&["double", "--args", "4"]);
    worker.wait_for_output("cannot be reached", PATIENCE).await.expect("it says so");
    let _server = python_service(dir.path(), port);
    assert_eq!(broker.naq(&["job", "watch", &id, "--timeout", "1m"]).code, 0);
    let job = broker.json(&["job", "show", &id]);
    assert_eq!((&job["attempt"], &job["result"]), (&json!(1), &json!(8)), "{job}");
}

pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// A service from Python's own library.
fn python_service(dir: &Path, port: u16) -> ChildProcess {
    let text = r#"
import http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def reply(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply({"v": 1, "tasks": ["double"], "concurrency": 3})

    def do_POST(self):
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.reply(job["args"] * 2)

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;
    let file = dir.join("service.py");
    std::fs::write(&file, text).expect("written");
    let mut command = std::process::Command::new("python3");
    command.arg(file).arg(port.to_string());
    ChildProcess::spawn(command).unwrap_or_else(|err| panic!("{err:#}"))
}

#[test]
fn a_handler_in_a_shell_passes_every_case_of_the_protocol_and_a_wrong_one_does_not() {
    let mut command = naq();
    command.current_dir(example());
    let right = ["conformance", "handler", "--one-shot", "./conformance.sh", "-o", "json"];
    let ran = finish(command.args(right));
    let cases = ran.json();
    let cases = cases.as_array().expect("a list");
    let with = |verdict| cases.iter().filter(|case| case["verdict"] == verdict).collect::<Vec<_>>();
    assert_eq!((with("FAILED"), ran.code), (Vec::new(), 0));
    assert!(with("passed").len() >= 40, "{cases:?}");
    let wrong = ["conformance", "handler", "--one-shot", "cat", "--case-timeout", "2s"];
    let ran = finish(naq().args(wrong));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("the result is"), "{ran:?}");
}

/// The code block after the line `mark` of docs/handler-protocol.md.
fn block_of_page(mark: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/handler-protocol.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let (_, rest) = page.split_once(mark).expect("the mark");
    let (_, block) = rest.split_once("```").expect("a block");
    let (block, _) = block.split_once("```").expect("its end");
    block.split_once('\n').expect("lines").1.to_owned()
}

#[tokio::test]
async fn a_handler_that_fails_after_it_enqueued_its_children_leaves_one_job_for_each() {
    let broker = Broker::start();
    let (_gateway, address) = crate::gateway::gateway(&broker.server.url(), &[]).await;
    let dir = tempfile::tempdir().expect("a directory");
    let children = block_of_page("<!-- test: children.sh -->");
    std::fs::write(dir.path().join("children.sh"), children).expect("written");
    let file = block_of_page("<!-- test: children.toml -->")
        .replace("sh children.sh", "sh -c 'sh children.sh && [ $NAQ_ATTEMPT = 2 ]'");
    std::fs::write(dir.path().join("naq.toml"), file).expect("written");
    let mut command = naq();
    command.env("NAQ_NATS_URL", broker.server.url()).current_dir(dir.path());
    command.env("NAQ_GATEWAY_URL", format!("http://{address}"));
    command.args(["worker", "default", "--exec", "import=cat"]);
    let _worker = ChildProcess::spawn(command).unwrap_or_else(|err| panic!("{err:#}"));
    let id = broker.enqueue(&["split", "--retry-delay", "100ms"]);
    assert_eq!(broker.watch(&id).code, 0);
    assert_eq!(broker.json(&["job", "show", &id])["attempt"], 2);
    let children = eventually("the children end", PATIENCE, async || {
        let found = broker.json(&["job", "list", "--task", "import", "--state", "completed"]);
        let ended = found["jobs"].as_array().is_some_and(|jobs| jobs.len() >= 2);
        ended.then_some(found.clone()).ok_or(found)
    })
    .await;
    let all = broker.json(&["job", "list", "--task", "import"]);
    assert_eq!(
        (children.as_array().map(Vec::len), all.as_array().map(Vec::len)),
        (Some(2), Some(2))
    );
}
