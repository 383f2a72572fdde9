//! A worker whose handlers are not Rust dies between two steps of settling, and another worker takes over.
//! Its handlers are a command for each attempt, a command that stays, and an HTTP service.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use naq_core::JobState;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::setup::{TIME_LIMIT, TestSetup, broker_url, died};
use naq_testing::eventually;

/// Each task has another kind of handler: a process for each attempt, one that stays, a service.
const TASKS: [&str; 3] = ["once", "stays", "web"];

/// The delay of a retry. The worker that dies after it stored the retry does not see it due.
const WAIT: Duration = Duration::from_millis(500);

/// How many cases run at the same time. Each has a worker, and commands.
const PARALLEL: usize = 4;

/// Answers one request a line. The job's arguments say how it ends.
const PROGRAM: &str = r#"
while read -r job; do
    echo start >> starts
    case $job in
        *'"args":"fail"'*'"attempt":1,'*) echo '{"error":{"message":"the first attempt"}}' ;;
        *'"args":"snooze"'*'"snoozes":0'*) echo '{"error":{"then":"snooze","after_ms":500}}' ;;
        *'"args":"die"'*) echo '{"error":{"then":"never","message":"as asked"}}' ;;
        *) echo '{"result":"done"}' ;;
    esac
done
"#;

/// The same answers, of the service.
fn answer(request: &Value) -> &'static str {
    match (request["args"].as_str(), request["attempt"].as_u64(), request["snoozes"].as_u64()) {
        (Some("fail"), Some(1), _) => r#"{"error":{"message":"the first attempt"}}"#,
        (Some("snooze"), _, Some(0)) => r#"{"error":{"then":"snooze","after_ms":500}}"#,
        (Some("die"), ..) => r#"{"error":{"then":"never","message":"as asked"}}"#,
        _ => r#"{"result":"done"}"#,
    }
}

/// A service that counts its calls in the file `starts` of `dir`.
async fn serve(dir: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(reply(connection, dir.join("starts")));
        }
    });
    address
}

/// The error is that of a connection which the worker's death has closed.
async fn reply(mut connection: TcpStream, starts: PathBuf) -> std::io::Result<()> {
    let (read, mut write) = connection.split();
    let (mut read, mut size) = (BufReader::new(read), 0);
    loop {
        let mut line = String::new();
        if read.read_line(&mut line).await? == 0 {
            return Ok(()); // the worker has died
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.strip_prefix("content-length:") {
            size = text.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; size];
    read.read_exact(&mut body).await?;
    let file = fs::OpenOptions::new().create(true).append(true).open(starts)?;
    std::io::Write::write_all(&mut &file, b"start\n")?;
    let answer = answer(&serde_json::from_slice(&body).unwrap());
    let size = answer.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: {size}\r\n\
         Connection: close\r\n\r\n{answer}"
    );
    write.write_all(head.as_bytes()).await
}

/// Writes the handlers of `task` into `dir`.
async fn write_handlers(dir: &Path, task: &str) -> PathBuf {
    fs::write(dir.join("answer.sh"), PROGRAM).unwrap();
    let dir_of_commands = dir.display();
    let handler = match task {
        "once" => "exec = 'sh answer.sh'".to_owned(),
        "stays" => "exec_pool = 'sh answer.sh'".to_owned(),
        _ => format!("http = 'http://{}'", serve(dir.to_owned()).await),
    };
    let dir_of_commands = match task {
        "web" => String::new(),
        _ => format!("dir = '{dir_of_commands}'\n"),
    };
    let file = dir.join("naq.toml");
    fs::write(&file, format!("[tasks.{task}]\n{handler}\n{dir_of_commands}")).unwrap();
    file
}

/// Where the first worker dies, and what then holds.
struct DeathCase {
    /// The arguments of the job, which say how it ends.
    ends: &'static str,
    die: &'static str,
    /// How often the handler is called.
    starts: usize,
    state: JobState,
    attempt: u32,
}

const fn case(
    ends: &'static str,
    die: &'static str,
    starts: usize,
    state: JobState,
    attempt: u32,
) -> DeathCase {
    DeathCase { ends, die, starts, state, attempt }
}

const CASES: [DeathCase; 7] = [
    case("succeed", "before-record", 2, JobState::Completed, 1),
    case("succeed", "after-record", 1, JobState::Completed, 1),
    case("fail", "before-retry", 3, JobState::Completed, 2),
    case("fail", "after-retry", 2, JobState::Completed, 2),
    case("snooze", "after-retry", 2, JobState::Completed, 1),
    case("die", "after-record", 1, JobState::Dead, 1),
    case("die", "after-dead", 1, JobState::Dead, 1),
];

/// Runs a case through one kind of handler, and says what is wrong.
async fn check(url: &str, task: &'static str, case: &DeathCase) -> Option<String> {
    let setup = TestSetup::at(url.to_owned(), "handlers").await;
    let file = write_handlers(&setup.file(""), task).await;
    let options = ["--handlers", file.to_str().unwrap()];
    let client = setup.client();
    let job = client.enqueue_task(task, &case.ends).unwrap();
    let job = job.retry_delay(WAIT).await.unwrap();
    died(setup.worker_with("first", Some(case.die), &options)).await;
    let second = setup.worker_with("second", None, &options);
    let report = eventually("the end of the job", TIME_LIMIT, async || {
        let report = job.report().await.map_err(|err| err.to_string())?;
        let log = || format!("{:?} of {report:?}\n{}", report.state, second.stderr());
        report.state.is_final().then_some(report.clone()).ok_or_else(log)
    })
    .await;
    setup.wait_until_empty().await;
    let found = (report.state, report.envelope.unwrap().attempt);
    let starts = fs::read_to_string(setup.file("starts")).unwrap().lines().count();
    let right = (found, starts) == ((case.state, case.attempt), case.starts);
    let (ends, die) = (case.ends, case.die);
    (!right).then(|| format!("{task}, {ends}, {die}: {found:?} after {starts} starts"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_in_any_language_runs_again_only_if_its_worker_died_before_the_new_fact() {
    let url = broker_url().await;
    let cases = CASES.iter().flat_map(|case| TASKS.map(|task| (task, case)));
    let checks = cases.map(|(task, case)| check(&url, task, case));
    let wrong: Vec<_> = stream::iter(checks).buffer_unordered(PARALLEL).collect().await;
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
