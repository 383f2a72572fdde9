//! Statistics: the newest report of each worker and minute, in the order of their arrival.

use naq_core::names::WorkerId;
use naq_core::stats::{Minute, StatsReport};
use naq_core::transport::StatsPage;

use crate::Subject;
use crate::case::Case;

fn report(case: &Case<'_>, worker: &str, minutes_ago: u64) -> StatsReport {
    let now = case.now();
    StatsReport {
        worker: WorkerId::new(worker).unwrap(),
        process: String::new(),
        version: "1".into(),
        minute: Minute(Minute::of(now).0.saturating_sub(minutes_ago)),
        written_at: now,
        tasks: Vec::new(),
        errors: Vec::new(),
        other_errors: 0,
    }
}

async fn put(case: &Case<'_>, report: &StatsReport) {
    case.transport.stats_put(report).await.unwrap();
}

async fn since(case: &Case<'_>, from: u64, limit: usize) -> StatsPage {
    case.transport.stats_since(from, limit).await.unwrap()
}

fn workers(page: &StatsPage) -> Vec<&str> {
    page.reports.iter().map(|report| report.worker.as_str()).collect()
}

pub async fn without_reports_the_statistics_are_empty(subject: &dyn Subject) {
    let case = Case::new(subject);
    let page = since(&case, 0, 100).await;
    assert_eq!((page.reports, page.more, page.unreadable), (vec![], false, 0));
    put(&case, &report(&case, "a", 0)).await;
    assert_eq!(
        workers(&since(&case, page.next, 100).await),
        ["a"],
        "the first report is not missed"
    );
}

pub async fn a_report_that_is_written_again_is_stored_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let written = report(&case, "a", 0);
    put(&case, &written).await;
    put(&case, &written).await;
    assert_eq!(since(&case, 0, 100).await.reports, [written]);
}

pub async fn a_newer_report_replaces_the_older_one(subject: &dyn Subject) {
    let case = Case::new(subject);
    let other = report(&case, "b", 0);
    let earlier = report(&case, "a", 1);
    let older = report(&case, "a", 0);
    let newer = StatsReport { other_errors: 7, ..older.clone() };
    for written in [&other, &earlier, &older] {
        put(&case, written).await;
    }
    let read = since(&case, 0, 100).await;
    put(&case, &newer).await;
    assert_eq!(since(&case, 0, 100).await.reports, [other, earlier, newer.clone()]);
    assert_eq!(since(&case, read.next, 100).await.reports, [newer], "only the new report");
}

pub async fn another_process_of_the_same_worker_replaces_nothing(subject: &dyn Subject) {
    let case = Case::new(subject);
    let of = |process: &str| StatsReport { process: process.into(), ..report(&case, "a", 0) };
    let (nameless, first, second) = (of(""), of("1"), of("2"));
    for written in [&nameless, &first, &second] {
        put(&case, written).await;
    }
    let first = StatsReport { other_errors: 7, ..first };
    put(&case, &first).await;
    assert_eq!(since(&case, 0, 100).await.reports, [nameless, second, first]);
}

pub async fn reports_come_in_pages_in_the_order_in_which_they_were_written(subject: &dyn Subject) {
    let case = Case::new(subject);
    for name in ["c", "a", "d", "b", "e"] {
        put(&case, &report(&case, name, 0)).await;
    }
    let first = since(&case, 0, 2).await;
    assert_eq!((workers(&first), first.more), (vec!["c", "a"], true));
    let second = since(&case, first.next, 2).await;
    assert_eq!((workers(&second), second.more), (vec!["d", "b"], true));
    let last = since(&case, second.next, 2).await;
    assert_eq!((workers(&last), last.more), (vec!["e"], false));
    let none = since(&case, last.next, 2).await;
    assert_eq!((workers(&none), none.more, none.next), (vec![], false, last.next));
    put(&case, &report(&case, "f", 0)).await;
    assert_eq!(workers(&since(&case, none.next, 2).await), ["f"]);
}
