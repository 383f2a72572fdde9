//! A worker or a handler is killed at each step of an attempt, through each kind of handler. The job ends
//! once, and no attempt is counted for the death.

use std::path::Path;
use std::process::Command;

use naq_testing::{ChildProcess, eventually};
use serde_json::{Value, json};

use crate::handlers::{free_port, worker_in};
use crate::run::{Broker, PATIENCE};

/// Each task has another kind of handler: a process for each attempt, one that stays, a service.
const TASKS: [&str; 3] = ["once", "stays", "web"];

/// Answers a job, as a command or as a service. The first run of a job stops at the step that its
/// arguments name, and waits to be killed.
const PROGRAM: &str = r#"
import http.server, json, os, pathlib, sys, time

parent = os.getppid()

def run(job, write):
    with open("starts", "a") as starts:
        starts.write(job["task"] + "\n")
    def reach(step):
        stop, unfinished = (pathlib.Path(name + job["task"]) for name in ("stop-", "unfinished-"))
        if job["args"] == step and not stop.exists():
            unfinished.write_text(str(os.getpid()))
            unfinished.rename(stop)
            while os.getppid() == parent:
                time.sleep(0.02)
            os._exit(1)
    reach("begun")
    write({"checkpoint": {"seen": job["checkpoint"]}})
    write({"progress": {"done": 1}})
    reach("saved")
    write({"result": job["checkpoint"], "run": job["run"]})
    reach("answered")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.end_headers()
        run(job, lambda answer: self.wfile.write(json.dumps(answer).encode() + b"\n"))

if len(sys.argv) > 1:
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
for line in sys.stdin:
    run(json.loads(line), lambda answer: print(json.dumps(answer), flush=True))
"#;

/// Handlers of all kinds, and the worker that calls them.
struct Handlers {
    broker: Broker,
    dir: tempfile::TempDir,
    port: u16,
    service: ChildProcess,
    worker: ChildProcess,
}

impl Handlers {
    async fn start() -> Self {
        let (broker, port) = (Broker::start(), free_port());
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("steps.py"), PROGRAM).expect("written");
        let file = format!(
            "[tasks.once]\nexec = 'python3 steps.py'\n[tasks.stays]\nexec_pool = 'python3 steps.py'\n\
             [tasks.web]\nhttp = 'http://127.0.0.1:{port}'\n"
        );
        std::fs::write(dir.path().join("naq.toml"), file).expect("written");
        let service = serve(dir.path(), port);
        eventually("the service listens", PATIENCE, async || {
            std::net::TcpStream::connect(("127.0.0.1", port))
                .map(drop)
                .map_err(|err| err.to_string())
        })
        .await;
        let worker = work(&broker, dir.path());
        Self { broker, dir, port, service, worker }
    }

    /// The processes that stopped, when all three have.
    async fn stopped(&self) -> Vec<String> {
        let mut pids = Vec::new();
        for task in TASKS {
            let file = self.dir.path().join(format!("stop-{task}"));
            eventually("the handler stops", PATIENCE, async || {
                file.exists().then_some(()).ok_or_else(|| self.worker.stderr())
            })
            .await;
            pids.push(std::fs::read_to_string(file).expect("a process id"));
        }
        pids
    }

    /// Waits until the broker knows that the worker runs the job, or that the job has ended. A death before that
    /// is no crash: nothing would say who ran the job.
    async fn is_listed(&self, id: &str) {
        eventually("the worker says what it runs", PATIENCE, async || {
            let job = self.broker.json(&["job", "show", id]);
            let known = job["run"].is_object() || job["state"] == "completed";
            known.then_some(()).ok_or(job)
        })
        .await;
    }

    fn kill_worker(&mut self) {
        self.worker.kill().expect("a signal");
        self.worker = work(&self.broker, self.dir.path());
    }

    fn kill_handlers(&mut self, pids: &[String]) {
        self.service.kill().expect("a signal");
        self.service = serve(self.dir.path(), self.port);
        // The last one is the service.
        let killed = Command::new("kill").arg("-KILL").args(&pids[..2]).status();
        assert!(killed.is_ok_and(|status| status.success()));
    }

    /// How often the handler of `task` was called.
    fn starts(&self, task: &str) -> usize {
        let starts = std::fs::read_to_string(self.dir.path().join("starts")).expect("the starts");
        starts.lines().filter(|line| *line == task).count()
    }
}

fn serve(dir: &Path, port: u16) -> ChildProcess {
    let mut command = Command::new("python3");
    command.current_dir(dir).arg("steps.py").arg(port.to_string());
    ChildProcess::spawn(command).unwrap_or_else(|err| panic!("{err:#}"))
}

fn work(broker: &Broker, dir: &Path) -> ChildProcess {
    worker_in(broker, dir, &["default", "--concurrency", "3", "--lease", "2s"])
}

#[derive(Clone, Copy)]
enum Victim {
    Worker,
    Handlers,
}

/// Kills `victim` while one job of each kind of handler is at `step`, and returns the jobs in the order of
/// [`TASKS`], with the number of their starts.
async fn kill_at(step: &str, victim: Victim) -> Vec<(Value, usize)> {
    let mut handlers = Handlers::start().await;
    let args = format!("{step:?}");
    let enqueue = |task| {
        handlers.broker.enqueue(&[
            task,
            "--args",
            &args,
            "--max-retries",
            "1",
            "--retry-delay",
            "100ms",
        ])
    };
    let ids = TASKS.map(enqueue);
    let pids = handlers.stopped().await;
    match victim {
        Victim::Worker => {
            for id in &ids {
                handlers.is_listed(id).await;
            }
            handlers.kill_worker();
        }
        Victim::Handlers => handlers.kill_handlers(&pids),
    }
    let mut ended = Vec::new();
    for (task, id) in TASKS.iter().zip(&ids) {
        let watched = handlers.broker.watch(id);
        let job = handlers.broker.json(&["job", "show", id]);
        assert_eq!((watched.code, &job["state"]), (0, &json!("completed")), "{job:#}");
        assert_eq!(job["attempt"], 1, "a death is no attempt: {job:#}");
        ended.push((job, handlers.starts(task)));
    }
    ended
}

#[tokio::test]
async fn a_handler_that_is_killed_before_its_answer_runs_again_and_finds_its_checkpoint() {
    for (step, checkpoint) in [("begun", Value::Null), ("saved", json!({"seen": null}))] {
        for (job, starts) in kill_at(step, Victim::Handlers).await {
            assert_eq!((&job["crashes"], starts), (&json!(1), 2), "{step}: {job:#}");
            assert_eq!(job["result"], checkpoint, "{step}: {job:#}");
        }
    }
}

#[tokio::test]
async fn a_handler_that_is_killed_after_its_answer_has_answered() {
    for (job, starts) in kill_at("answered", Victim::Handlers).await {
        assert_eq!((&job["crashes"], starts), (&json!(0), 1), "{job:#}");
    }
}

#[tokio::test]
async fn the_job_of_a_killed_worker_runs_once_more_on_another_at_each_step_of_its_handler() {
    for step in ["begun", "saved"] {
        for (job, starts) in kill_at(step, Victim::Worker).await {
            assert_eq!((&job["crashes"], starts), (&json!(1), 2), "{step}: {job:#}");
        }
    }
    // The worker may have written the end before it was killed.
    for (job, starts) in kill_at("answered", Victim::Worker).await {
        assert!(starts <= 2 && job["crashes"] == starts - 1, "{starts} starts: {job:#}");
    }
}
