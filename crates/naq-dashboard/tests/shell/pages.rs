//! The numbers on the pages equal the numbers from the broker and the workers.

use std::num::NonZeroU64;
use std::time::Duration;

use naq_core::retry::Rule;
use naq_core::stats::{Ending, Minute, Observation, ObservedError, Run};
use naq_core::transport::{
    Consumer, Directory, Operator, QueueBound, StatsStore, WorkerInfo, WorkerStatus,
};
use naq_core::{Clock, ErrorKind, JobId, Timestamp, WorkerId};
use naq_testing::eventually;

use crate::test_dashboard::{SOON, TestDashboard, queue, task};

impl TestDashboard {
    /// Counts `count` attempts with this number and this ending.
    fn attempts(&mut self, count: usize, attempt: u32, ending: Ending) {
        let now = self.clock.now();
        let rule = Rule::MaxRetries;
        let error = ObservedError { kind: &ErrorKind::TIMEOUT, message: "no answer in 7 s", rule };
        for _ in 0..count {
            let seen = Observation {
                queue: &queue("mail"),
                task: Some(&task("email.send")),
                job: &JobId::random(),
                attempt,
                crashes: 0,
                run: Some(Run { started_at: now, ended_at: now, ready_at: now, was_due: false }),
                ending,
                error: (!matches!(ending, Ending::Completed)).then_some(error),
            };
            self.tally.record(&seen, now);
        }
    }
}

fn worker(dashboard: &TestDashboard, id: &str) -> WorkerInfo {
    WorkerInfo {
        worker_id: WorkerId::new(id).unwrap(),
        status: WorkerStatus::Busy,
        queues: vec![queue("mail")],
        concurrency: 10,
        running: 4,
        hostname: "host-7".into(),
        pid: 4_711,
        version: "1.2.3".into(),
        started_at: dashboard.clock.now(),
        heartbeat_at: dashboard.clock.now(),
        finished: 1_204,
        failed: 7,
        signed: Vec::new(),
    }
}

#[tokio::test]
async fn a_queue_shows_its_bound() {
    let dashboard = TestDashboard::open(|_| {});
    let transport = dashboard.client.transport();
    dashboard.client.enqueue_task("email.send", &()).unwrap().queue("mail").await.unwrap();
    let bound = QueueBound { max_jobs: NonZeroU64::new(12_000), max_bytes: None };
    transport.set_bound(&queue("mail"), bound).await.unwrap();
    dashboard.page("/queues/mail", &["beyond its bound: at most 12,000 jobs"]).await;
}

#[tokio::test]
async fn the_overview_has_the_counts_of_the_workers() {
    let mut dashboard = TestDashboard::open(|options| options.environment = Some("staging".into()));
    let later = dashboard.clock.now() + Duration::from_secs(5);
    dashboard.attempts(1_000, 1, Ending::Completed);
    dashboard.attempts(60, 1, Ending::Retried { delay: Duration::from_secs(5), due_at: later });
    dashboard.attempts(50, 2, Ending::Completed);
    dashboard.attempts(10, 2, Ending::Dead);
    dashboard.report_stats().await;
    dashboard.enqueue("mail", 3).await;
    dashboard.broker.heartbeat(&worker(&dashboard, "w1"), Duration::from_secs(60)).await.unwrap();
    let row = |name: &str, value: u64| format!("data-outcome=\"{name}\" data-value=\"{value}\"");
    let wanted = [
        row("starts", 1_120),
        row("completed", 1_050),
        row("saved", 50),
        row("retried", 60),
        row("dead", 10),
        "data-n=\"pending\" data-value=\"3\"".into(),
        "data-n=\"running\" data-value=\"4\"".into(),
        "data-n=\"slots\" data-value=\"10\"".into(),
    ];
    let html = dashboard.page("/", &wanted.each_ref().map(String::as_str)).await;
    assert!(html.contains("retries saved 83.3 % of 60 failures"), "{html}");
    assert!(html.contains("data-n=\"retry-share\">5.4 %"), "{html}");
    assert!(html.contains("no answer in") && html.contains("staging"), "{html}");
    for window in ["5 min", "1 h", "24 h"] {
        assert!(html.contains(&format!(">{window}</th>")), "{window}");
    }
    assert_eq!(html.matches(&row("starts", 1_120)).count(), 3, "the same in all windows");
    // Counts older than an hour are only in the window of a day.
    dashboard.clock.advance(Duration::from_secs(3 * 3_600)).await;
    let html = dashboard.page("/", &[&row("starts", 0)]).await;
    assert_eq!(html.matches(&row("starts", 1_120)).count(), 1, "{html}");
}

#[tokio::test]
async fn queues_show_depth_by_state_rates_and_limits() {
    let mut dashboard = TestDashboard::open(|_| {});
    let empty = dashboard.page("/queues", &["There are no queues yet"]).await;
    assert!(empty.contains("naq enqueue"));
    dashboard.enqueue("mail", 5).await;
    dashboard.enqueue("other", 1).await;
    let mut sub =
        dashboard.broker.subscribe(&queue("mail"), Duration::from_secs(60)).await.unwrap();
    let held = sub.fetch(2, Duration::from_millis(1)).await.unwrap();
    assert_eq!(held.len(), 2);
    dashboard.attempts(60, 1, Ending::Completed);
    dashboard.attempts(20, 1, Ending::Dead);
    dashboard.report_stats().await;
    let html = dashboard
        .page(
            "/queues?name=mai",
            &[
                "data-n=\"pending\" data-value=\"3\"",
                "data-n=\"running\" data-value=\"0\"",
                "data-n=\"taken\" data-value=\"2\"",
                "25.0 %",
            ],
        )
        .await;
    assert!(!html.contains("q-other"), "the search is for another queue: {html}");
    let until = dashboard.clock.now() + Duration::from_secs(600);
    dashboard.broker.pause(&queue("mail"), until).await.unwrap();
    let html = dashboard.page("/queues/mail", &["Paused", "email.send", "1m without"]).await;
    assert!(html.contains("queue=mail&amp;state=waiting\"><b data-n=\"waiting\""), "{html}");
    for part in ["data-value=\"80\"", "class=\"num bad\">20<"] {
        assert!(html.contains(part), "{part} in {html}");
    }
    let (status, html) = dashboard.get("/queues/nosuch").await;
    assert_eq!(status, 404);
    assert!(html.contains("there is no queue nosuch") && html.contains("<nav"), "{html}");
}

#[tokio::test]
async fn a_worker_with_impossible_times_is_shown_with_a_warning() {
    let dashboard = TestDashboard::open(|_| {});
    dashboard.page("/workers", &["No worker is alive"]).await;
    let honest = worker(&dashboard, "honest");
    let mut wrong = Vec::new();
    for (id, started_at) in
        [("future", Timestamp::from_millis(u64::MAX)), ("past", Timestamp::default())]
    {
        let heartbeat_at = Timestamp::from_millis(u64::MAX);
        wrong.push(WorkerInfo {
            started_at,
            heartbeat_at,
            running: u32::MAX,
            ..worker(&dashboard, id)
        });
    }
    for worker in wrong.iter().chain([&honest]) {
        dashboard.broker.heartbeat(worker, Duration::from_secs(60)).await.unwrap();
    }
    let html = dashboard.page("/workers", &["w-honest", "w-future", "w-past"]).await;
    let row = |id: &str| {
        let (_, after) = html.split_once(&format!("id=\"w-{id}\"")).unwrap();
        after.split_once("</tr>").unwrap().0.to_owned()
    };
    assert!(row("future").contains("its clock is at least"), "{}", row("future"));
    assert!(row("past").contains("years behind"), "{}", row("past"));
    let honest = row("honest");
    assert!(!honest.contains("data-warning") && honest.contains("host-7 (4711)"), "{honest}");
    assert!(honest.contains(">4</span> of 10") && honest.contains("1,204"), "{honest}");
    dashboard.clock.advance(Duration::from_secs(20)).await;
    dashboard.page("/workers", &["no heartbeat for 20s"]).await;
}

#[tokio::test]
async fn the_broker_page_shows_streams_their_durability_and_their_consumers() {
    let dashboard = TestDashboard::open(|_| {});
    dashboard.enqueue("mail", 4).await;
    let html = dashboard
        .page(
            "/broker",
            &["jobs of queue mail", "data-n=\"messages\" data-value=\"4\"", "in-memory"],
        )
        .await;
    for part in [
        "dead letters",
        "records of ended jobs",
        "lost when the broker ends",
        "its clock agrees with this machine",
        "data-n=\"lag\" data-value=\"4\"",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[tokio::test]
async fn pages_say_when_the_statistics_start_and_how_many_reports_were_ignored() {
    let mut dashboard = TestDashboard::open(|_| {});
    dashboard.attempts(1, 1, Ending::Completed);
    dashboard.report_stats().await;
    for path in ["/", "/helping"] {
        dashboard.page(path, &["Oldest statistics: "]).await;
    }
    assert!(!dashboard.get("/workers").await.1.contains("not counted"));
    let ahead = Minute(Minute::of(dashboard.clock.now()).0 + 60);
    let mut report = dashboard.broker.stats_since(0, 1).await.unwrap().reports.remove(0);
    report.minute = ahead;
    dashboard.broker.stats_put(&report).await.unwrap();
    dashboard.page("/workers", &["1 report from workers was not counted"]).await;
    dashboard.clock.advance(Duration::from_secs(24 * 3_600 - 60)).await;
    eventually("the statistics cover a day", SOON, async || {
        let (_, html) = dashboard.get("/").await;
        if html.contains("Oldest statistics: ") { Err(html) } else { Ok(()) }
    })
    .await;
}
