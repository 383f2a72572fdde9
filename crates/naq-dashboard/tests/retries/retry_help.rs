//! Does retrying help?

use std::time::Duration;

use crate::test_dashboard::{End, TestDashboard, number, row};

#[tokio::test]
async fn the_page_counts_jobs_by_their_last_attempt_and_advises_on_late_attempts() {
    let mut dashboard = TestDashboard::open();
    (0..500).for_each(|_| dashboard.job("email.send", 1, End::Ok));
    (0..80).for_each(|_| dashboard.job("email.send", 2, End::Ok));
    (0..15).for_each(|_| dashboard.job("email.send", 3, End::Ok));
    dashboard.job("email.send", 4, End::Ok);
    (0..24).for_each(|_| dashboard.job("email.send", 7, End::Dead));
    (0..3).for_each(|_| dashboard.job("report.make", 6, End::Ok));
    dashboard.report_stats().await;
    let html = dashboard.page("/helping?window=1h", &["data-task=\"email.send\""]).await;
    let mail = row(&html, "data-task=\"email.send\"");
    let names = ["try-1", "try-2", "try-3", "try-4", "try-5", "dead"];
    assert_eq!(names.map(|name| number(mail, name)), [500, 80, 15, 1, 0, 24]);
    let report = row(&html, "data-task=\"report.make\"");
    assert_eq!(names.map(|name| number(report, name)), [0, 0, 0, 0, 3, 0]);
    assert!(html.contains("retries saved 80.0 % of 120 failures"), "{html}");
    assert!(
        html.contains(
            "attempts from the 4th on saved 0.8 %: max_retries 2 would lose 1 job of 120 and spare \
             97 attempts"
        ),
        "{html}"
    );
    assert!(html.contains("href=\"/simulator?task=email.send\""), "{html}");
    assert!(html.find("email.send") < html.find("report.make"), "most failures first");

    let other = dashboard.get("/helping?window=1h&queue=other").await;
    assert!(other.contains("No job has ended in the last hour"), "{other}");
    dashboard.clock.advance(Duration::from_secs(2 * 3_600)).await;
    dashboard.page("/helping?window=1h", &["No job has ended in the last hour"]).await;
    let day = dashboard.page("/helping?window=24h", &["data-task=\"email.send\""]).await;
    assert_eq!(number(row(&day, "data-task=\"email.send\""), "try-1"), 500);
}
