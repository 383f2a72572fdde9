//! `naq bench`: the form of its report, and that it removes its streams. The measured values depend on
//! the machine.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use crate::run::{Broker, offline};

/// The names of all streams, from a raw request to the broker.
fn stream_names(broker: &Broker) -> String {
    let mut connection = TcpStream::connect(broker.server.address()).expect("a broker");
    let ask = "CONNECT {\"verbose\":false}\r\nSUB in 1\r\nPUB $JS.API.STREAM.NAMES in 0\r\n\r\n";
    connection.write_all(ask.as_bytes()).expect("sent");
    let lines = BufReader::new(connection).lines().map(|line| line.expect("an answer"));
    lines.skip_while(|line| !line.starts_with("MSG in")).nth(1).expect("its body")
}

#[test]
fn every_measure_has_numbers_and_all_streams_are_removed() {
    let broker = Broker::start();
    broker.enqueue(&["demo.ok"]);
    let before = stream_names(&broker);
    assert!(before.contains("NAQ_Q_default"), "{before}");
    let report = broker.json(&["bench", "--quick", "--jobs", "200", "--waiting", "500"]);

    let figures = report["figures"].as_array().expect("figures");
    let named = |name: &str| -> Vec<_> { figures.iter().filter(|f| f["name"] == name).collect() };
    for (name, unit, paired) in [
        ("enqueue, one at a time", "jobs/s", true),
        ("enqueue, pipelined", "jobs/s", true),
        ("drain, with records", "jobs/s", true),
        ("drain, without records", "jobs/s", true),
        ("drain, with records, of a filled queue", "jobs/s", true),
        ("drain, with records, of a queue from before a restart", "jobs/s", true),
        ("idle latency, p50", "us", true),
        ("retry lateness, p99", "ms", true),
        ("retries started early", "jobs", true),
        ("retry lateness at whole seconds, p99", "ms", true),
        ("retries at whole seconds started early", "jobs", true),
        ("fresh job beside waiting ones, p99", "us", true),
        ("enqueue, with nothing", "jobs/s", true),
        ("drain, with a unique key", "jobs/s", true),
        ("drain, with a concurrency key", "jobs/s", true),
        ("drain, with a rate limit", "jobs/s", true),
        ("drain, with a dependency (half of them)", "jobs/s", true),
        ("  messages sent a job", "msgs", true),
        ("decide(), slowest policy", "ns", false),
    ] {
        assert!(!named(name).is_empty(), "{name} in {report}");
        for figure in named(name) {
            assert_eq!(figure["unit"], unit, "{figure}");
            assert!(figure["naq"].is_number(), "{figure}");
            assert_eq!(figure["base"].is_number(), paired, "{figure}");
        }
    }
    let early = named("retries started early")[0];
    assert_eq!(early["naq"], 0.0, "{early}");

    assert_eq!(
        stream_names(&broker),
        before,
        "the other streams stay, those of the benchmark are removed"
    );
    assert_eq!(broker.json(&["queue", "info", "default"])["pending"], 1);
}

#[test]
fn a_decision_is_measured_without_a_broker() {
    let ran = offline(&["bench", "decide", "--rounds", "1", "-o", "json"]).ok();
    assert_eq!(ran.json()["figures"].as_array().map(Vec::len), Some(1), "{ran:?}");
}

#[test]
fn the_dashboard_is_measured_in_a_child_process_and_all_streams_are_removed() {
    let broker = Broker::start();
    let before = stream_names(&broker);
    let ask = ["bench", "dashboard", "--quick", "--jobs", "400", "--tabs", "5"];
    let report = broker.json(&ask);
    let figures = report["figures"].as_array().expect("figures");
    for (name, unit) in [
        ("page, p95, 400 jobs, 5 tabs", "ms"),
        ("dashboard memory, 400 jobs, 5 tabs", "MB"),
        ("messages to the broker a second, 5 tabs", "msgs"),
    ] {
        let figure = figures.iter().find(|figure| figure["name"] == name);
        let figure = figure.unwrap_or_else(|| panic!("{name} in {report}"));
        assert_eq!(figure["unit"], unit, "{figure}");
        assert!(figure["naq"].as_f64().is_some_and(|value| value > 0.0), "{figure}");
    }
    // A few seconds on a busy machine measure little. But if each tab asked the broker by itself, five
    // tabs would ask five times as often as one.
    let tabs = figures.last().expect("figures");
    assert!(tabs["ratio"].as_f64().is_some_and(|ratio| ratio < 3.0), "{tabs}");
    assert_eq!(stream_names(&broker), before);
}
