//! `naq worker --metrics`: the metrics, and the answers to health probes.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use naq_core::flow::RunList;
use naq_core::metrics::{ALL, Kind, of_series};
use naq_core::transport::StateStore;
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{ChildProcess, eventually};

use crate::run::{Broker, PATIENCE, finish, own_binary};

/// The address at which the worker serves metrics, read from its log.
async fn address(worker: &mut ChildProcess) -> String {
    worker.wait_for_output("/readyz", PATIENCE).await.expect("it serves");
    let log = worker.stderr();
    let (_, rest) = log.split_once("http://").expect("an address");
    rest.split('/').next().expect("an address").to_owned()
}

/// The status and body of a GET request.
fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// The series of one scrape.
struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    fn of(address: &str) -> Self {
        let (status, text) = get(address, "/metrics");
        assert_eq!(status, 200, "{text}");
        let series = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Self(
            series
                .map(|line| {
                    let (series, value) = line.rsplit_once(' ').expect("a value");
                    (series.to_owned(), value.parse().expect("a number"))
                })
                .collect(),
        )
    }

    fn value(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or(f64::NAN)
    }

    /// The sum of all series of a metric.
    fn sum(&self, name: &str) -> f64 {
        let of = |series: &&String| series.split('{').next() == Some(name);
        self.0.iter().filter(|(series, _)| of(series)).map(|(_, value)| value).sum()
    }
}

#[tokio::test]
async fn a_scrape_counts_the_outcome_of_every_attempt() {
    let broker = Broker::start();
    let mut worker = broker.worker(&["--metrics", "127.0.0.1:0"]);
    let address = address(&mut worker).await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(broker.enqueue(&["greet"]));
    }
    for _ in 0..2 {
        jobs.push(broker.enqueue(&["flaky", "--args", "2", "--retry-delay", "100ms"]));
        jobs.push(broker.enqueue(&["refuse"]));
    }
    broker.enqueue(&["nobody.knows"]);
    jobs.iter().for_each(|id| drop(broker.watch(id)));
    let attempts = |task, outcome| {
        format!(r#"naq_attempts_total{{queue="default",task="{task}",outcome="{outcome}"}}"#)
    };
    let of_task = |name: &str, task| format!(r#"{name}{{queue="default",task="{task}"}}"#);
    let expected: BTreeMap<String, f64> = [
        (attempts("greet", "success"), 3.0),
        (attempts("greet", "retry"), 0.0),
        (attempts("flaky", "success"), 2.0),
        (attempts("flaky", "retry"), 4.0),
        (attempts("refuse", "dead"), 2.0),
        (attempts("_unknown", "dead"), 0.0),
        (of_task("naq_attempt_duration_seconds_count", "flaky"), 6.0),
        (of_task("naq_queue_wait_seconds_count", "flaky"), 2.0),
        (of_task("naq_retry_lateness_seconds_count", "flaky"), 4.0),
        (of_task("naq_retry_delay_seconds_count", "flaky"), 4.0),
        (of_task("naq_success_attempt_number_count", "flaky"), 2.0),
        (of_task("naq_success_attempt_number_sum", "flaky"), 6.0),
        (r#"naq_jobs_dead_total{task="refuse",error_kind="ValueError"}"#.into(), 2.0),
        (r#"naq_decode_errors_total{reason="unknown_task"}"#.into(), 1.0),
        (r#"naq_worker_slots{state="busy"}"#.into(), 0.0),
        (r#"naq_worker_slots{state="free"}"#.into(), 10.0),
        (r#"naq_redeliveries_total{queue="default"}"#.into(), 0.0),
        ("naq_heartbeat_missed_total".into(), 0.0),
        ("naq_broker_connected".into(), 1.0),
        (format!(r#"naq_build_info{{version="{}"}}"#, env!("CARGO_PKG_VERSION")), 1.0),
    ]
    .into();
    // An outcome is counted when the broker has stored it, shortly after other clients can see it.
    let scrape = eventually("what became of the jobs", PATIENCE, async || {
        let scrape = Scrape::of(&address);
        let wrong = expected.iter().filter(|(series, value)| scrape.value(series) != **value);
        let wrong: Vec<_> = wrong.map(|(series, _)| (series, scrape.value(series))).collect();
        if wrong.is_empty() { Ok(scrape) } else { Err(format!("{wrong:?}")) }
    })
    .await;
    assert_eq!(scrape.sum("naq_attempts_total"), 11.0);
    let delay = scrape.value(&of_task("naq_retry_delay_seconds_sum", "flaky"));
    assert!((delay - 0.4).abs() < 1e-9, "{delay}");
    for series in scrape.0.keys() {
        let name = series.split('{').next().expect("a name");
        assert!(of_series(name).is_some(), "{series} is in no table");
    }
    let (_, text) = get(&address, "/metrics");
    for metric in ALL {
        if text.contains(&format!("# TYPE {} ", metric.name)) {
            assert!(text.contains(&format!("# TYPE {} {}\n", metric.name, metric.kind.as_str())));
            assert!(text.contains(&format!("# HELP {} {}\n", metric.name, metric.help)), "{text}");
        }
        if let Kind::Histogram(bounds) = metric.kind
            && metric.labels.contains(&"task")
        {
            let buckets = text.lines().filter(|line| {
                line.starts_with(&format!("{}_bucket", metric.name)) && line.contains("flaky")
            });
            assert_eq!(buckets.count(), bounds.len() + 1, "{}: {text}", metric.name);
        }
    }
}

#[tokio::test]
async fn a_worker_that_drains_is_alive_and_not_ready() {
    let broker = Broker::start();
    let mut worker = broker.worker(&["--metrics", "127.0.0.1:0", "--log-level", "debug"]);
    let address = address(&mut worker).await;
    eventually("readiness", PATIENCE, async || get(&address, "/readyz").0 == 200).await;
    broker.enqueue(&["wait", "--args", "3000"]);
    worker.wait_for_output("attempt 1 of 4 started", PATIENCE).await.expect("it runs");
    assert_eq!(Scrape::of(&address).value(r#"naq_worker_slots{state="busy"}"#), 1.0);
    worker.terminate().expect("a signal");
    worker.wait_for_output("may finish within 30s", PATIENCE).await.expect("it heard");
    assert_eq!(get(&address, "/readyz"), (503, "draining\n".to_owned()));
    assert_eq!(get(&address, "/healthz"), (200, "alive\n".to_owned()));
    assert_eq!(worker.wait(PATIENCE).await.expect("ends").code(), Some(0), "{}", worker.stderr());
}

/// Whether the list of a worker names the job.
async fn is_listed(broker: &Broker, id: &str) -> bool {
    let config = NatsConfig::new(broker.server.url());
    let transport = NatsTransport::connect(config).await.expect("connects");
    let prefix = RunList::prefix().expect("a key");
    let page = transport.state_list(&prefix, 0, 10).await.expect("reads");
    let runs = page.entries.iter().filter_map(RunList::read).flat_map(|list| list.runs);
    runs.into_iter().any(|run| run.job.id.as_str() == id)
}

#[tokio::test]
async fn the_crash_of_a_worker_is_counted_by_the_next_worker() {
    let broker = Broker::start();
    let mut first = broker.worker(&["--lease", "1s", "--log-level", "debug"]);
    let id = broker.enqueue(&["wait", "--args", "1000"]);
    // A run that is in no list yet cannot be told from one that never began.
    eventually("the run to be listed", PATIENCE, async || is_listed(&broker, &id).await).await;
    first.kill().expect("killed");
    let mut second = broker.worker(&["--metrics", "127.0.0.1:0"]);
    let address = address(&mut second).await;
    assert_eq!(broker.watch(&id).code, 0);
    let crash = r#"naq_attempts_total{queue="default",task="wait",outcome="crash"}"#;
    let told = async || Scrape::of(&address).value(crash) == 1.0;
    eventually("the crash", PATIENCE, told).await;
    let scrape = Scrape::of(&address);
    assert_eq!(scrape.value(r#"naq_redeliveries_total{queue="default"}"#), 1.0);
    assert_eq!(scrape.sum("naq_attempts_total"), 2.0, "the crash, and the success after it");
}

#[tokio::test]
async fn without_a_broker_it_is_not_ready_and_says_why() {
    let mut broker = Broker::start();
    broker.server.stop().expect("stops");
    let mut worker = broker.worker(&["--metrics", "127.0.0.1:0", "--wait-for-broker"]);
    let address = address(&mut worker).await;
    let (status, why) = get(&address, "/readyz");
    assert!(status == 503 && why.starts_with("starting"), "{status} {why}");
    assert_eq!(get(&address, "/healthz").0, 200);
    broker.server.restart().expect("starts");
    let ready = async || get(&address, "/readyz") == (200, "ready\n".to_owned());
    eventually("readiness", PATIENCE, ready).await;
    assert_eq!(Scrape::of(&address).value("naq_broker_connected"), 1.0);
    broker.server.stop().expect("stops");
    let gone = (503, "not connected to the broker\n".to_owned());
    eventually("the loss", PATIENCE, async || get(&address, "/readyz") == gone).await;
    assert_eq!(Scrape::of(&address).value("naq_broker_connected"), 0.0);
    broker.server.restart().expect("starts");
    eventually("readiness again", PATIENCE, ready).await;
}

#[test]
fn an_address_in_use_is_an_error_and_an_invalid_one_is_a_usage_error() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let worker = |address: &str| {
        let mut command = std::process::Command::new(own_binary());
        finish(command.args(["worker", "--metrics", address, "-u", "nats://127.0.0.1:9"]))
    };
    let ran = worker(&address);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains(&format!("cannot serve metrics on {address}")), "{ran:?}");
    let ran = worker("mail");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("use IP:PORT"), "{ran:?}");
}
