//! Screens of fixed data, as a terminal shows them.

use std::time::Duration;

use naq_core::stats::{Counts, ErrorGroup, Minute, StatsReport, TaskStats};
use naq_core::transport::{QueueInfo, WorkerInfo, WorkerStatus};
use naq_core::{ErrorKind, QueueName, TaskName, Timestamp, WorkerId};

use super::feed::{TopData, TopFeed};
use super::frame;
use super::view::{Sort, TopView};

const NOW: Timestamp = Timestamp::from_millis(1_795_435_230_000);
const WINDOW: Duration = Duration::from_secs(300);

fn queue_name(name: &str) -> QueueName {
    QueueName::new(name).expect("a name")
}

fn task(name: &str) -> TaskName {
    TaskName::new(name).expect("a name")
}

fn queue(name: &str, pending: u64, oldest: u64) -> QueueInfo {
    QueueInfo {
        name: queue_name(name),
        pending,
        running: 2,
        waiting: 30,
        dead: 4,
        oldest: (pending > 0).then(|| Duration::from_secs(oldest)),
        paused_until: None,
        lease: None,
        concurrency_limit: None,
        bound: Default::default(),
        evicts: Vec::new(),
        forgotten: 0,
        bytes: 0,
        last_seq: 0,
    }
}

fn worker(name: &str, version: &str, seconds_ago: u64) -> WorkerInfo {
    WorkerInfo {
        worker_id: WorkerId::new(name).expect("an id"),
        status: WorkerStatus::Busy,
        queues: vec![queue_name("mail")],
        concurrency: 10,
        running: 2,
        hostname: "host".into(),
        pid: 7,
        version: version.into(),
        started_at: NOW,
        heartbeat_at: NOW.saturating_sub(Duration::from_secs(seconds_ago)),
        finished: 1_000,
        failed: 90,
        signed: Vec::new(),
    }
}

/// A task whose jobs completed at the first, second, third... attempt, as many as `ends` says, or died.
fn stats(name: &str, ends: &[u64], dead: u64) -> TaskStats {
    let mut counts = Counts::default();
    for (attempt, n) in (1_u32..).zip(ends) {
        for _ in 0..*n {
            (1..=attempt).for_each(|start| counts.starts.record(start));
            (1..attempt).for_each(|failed| counts.retried.record(failed));
            counts.completed.record(attempt);
            counts.duration.record(Duration::from_millis(40));
        }
    }
    (0..dead).for_each(|_| {
        counts.starts.record(1);
        counts.dead.record(1);
    });
    TaskStats { queue: queue_name("mail"), task: task(name), counts }
}

fn error(message: &str) -> ErrorGroup {
    ErrorGroup {
        queue: queue_name("mail"),
        task: task("email.send"),
        kind: ErrorKind::CONNECTION,
        pattern: message.into(),
        message: message.into(),
        count: 90,
        retried: 86,
        dead: 4,
        first_at: NOW,
        last_at: NOW,
        rules: [].into(),
        jobs: Vec::new(),
        versions: [].into(),
    }
}

fn report(tasks: Vec<TaskStats>, errors: Vec<ErrorGroup>) -> StatsReport {
    StatsReport {
        worker: WorkerId::new("red-1").expect("an id"),
        process: String::new(),
        version: "0.1.0".into(),
        minute: Minute::of(NOW),
        written_at: NOW.saturating_sub(Duration::from_secs(2)),
        tasks,
        errors,
        other_errors: 0,
    }
}

/// Two queues, one of them without a worker, three tasks, a silent worker, and a hostile error text.
fn data() -> impl std::ops::DerefMut<Target = TopData> {
    let feed: &'static TopFeed = Box::leak(Box::default());
    let mut data = feed.data();
    data.server = "nats-server 2.15.1".into();
    data.began_at = Some(NOW.saturating_sub(Duration::from_secs(60)));
    data.read_at = Some(NOW);
    data.queues = vec![queue("mail", 12, 3), queue("reports", 7, 400)];
    data.workers = vec![worker("red-1", "0.1.0", 2), worker("blue-1", "0.1.0\u{1b}[2J", 40)];
    let tasks = vec![
        stats("email.send", &[900, 80, 10], 10),
        stats("flaky", &[0, 60, 20], 0),
        stats("report", &[3], 12),
    ];
    let hostile = "connection to \u{1b}]0;mine\u{7}\u{202e} refused\nagain";
    data.history.apply(report(tasks, vec![error(hostile)]), NOW);
    data
}

fn text(data: &TopData, sort: Sort, height: Option<usize>) -> String {
    let view = TopView::of(data, NOW, WINDOW, sort);
    anstream::adapter::strip_str(&frame::text(&view, height)).to_string()
}

#[test]
fn a_frame_shows_all_data() {
    insta::assert_snapshot!("frame", text(&data(), Sort::Starts, None));
}

#[test]
fn a_small_terminal_gets_the_first_lines_of_each_table() {
    let frame = text(&data(), Sort::Dead, Some(21));
    assert_eq!(frame.lines().count(), 21, "{frame}");
    insta::assert_snapshot!("frame-21-lines", frame);
    for height in 8..60 {
        let lines = text(&data(), Sort::Name, Some(height)).lines().count();
        assert!(lines <= height, "{lines} lines in {height}");
    }
}

#[test]
fn without_an_answer_from_the_broker_old_data_stays_and_its_age_is_shown() {
    let mut data = data();
    data.read_at = Some(NOW.saturating_sub(Duration::from_secs(75)));
    data.problem = Some("no answer\u{1b}[2J".into());
    let frame = text(&data, Sort::Starts, None);
    assert!(frame.contains("stale for 1m15s: no answer\\u{1b}[2J\n"), "{frame}");
    assert!(frame.contains("email.send"), "{frame}");
}

#[test]
fn characters_that_a_terminal_acts_on_are_escaped() {
    for height in [None, Some(40)] {
        let frame = text(&data(), Sort::Starts, height);
        let acts = |c: char| c != '\n' && crate::text::is_unprintable(c);
        assert!(!frame.chars().any(acts), "{frame:?}");
    }
}

#[test]
fn tasks_are_sorted_as_asked() {
    let data = data();
    for (sort, expected) in [
        (Sort::Starts, ["email.send", "flaky", "report"]),
        (Sort::Retries, ["flaky", "email.send", "report"]),
        (Sort::Dead, ["report", "email.send", "flaky"]),
        (Sort::Name, ["email.send", "flaky", "report"]),
    ] {
        let view = TopView::of(&data, NOW, WINDOW, sort);
        let names: Vec<_> = view.tasks.iter().map(|task| task.task.as_str()).collect();
        assert_eq!(names, expected, "{sort:?}");
    }
}

#[test]
fn rates_cover_the_seconds_since_the_first_read_and_ten_at_most() {
    let mut data = data();
    let started = |data: &TopData| {
        TopView::of(data, NOW, WINDOW, Sort::Starts).rates.map(|rates| rates.started)
    };
    // Of email.send, flaky and report.
    let starts = (900 + 2 * 80 + 3 * 10 + 10 + 2 * 60 + 3 * 20 + 3 + 12) as f64;
    assert_eq!(started(&data), Some(starts / 10.0));
    data.began_at = Some(NOW.saturating_sub(Duration::from_secs(5)));
    assert_eq!(started(&data), Some(starts / 5.0));
    data.began_at = Some(NOW.saturating_sub(Duration::from_secs(2)));
    assert_eq!(started(&data), None);
}
