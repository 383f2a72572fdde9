//! [`History`] with reports in any order and of any content.

use std::time::Duration;

use super::reads::GroupHistory;
use super::*;
use crate::ErrorKind;
use crate::names::{JobId, JobKey, WorkerId};
use crate::retry::Rule;
use crate::stats::{Ending, Observation, ObservedError, Run, Tally, Totals};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A worker that tells a history of what it sees.
struct TestProcess {
    tally: Tally,
    worker: WorkerId,
    history: History,
}

impl TestProcess {
    fn new() -> Self {
        let worker = WorkerId::new("w1").expect("a name");
        Self { tally: Tally::default(), worker, history: History::default() }
    }

    fn sees(&mut self, attempt: u32, ending: Ending, now: Timestamp) {
        let (queue, task) = (QueueName::default(), TaskName::new("t").expect("a name"));
        let ready_at = now.saturating_sub(Duration::from_millis(70));
        let run = Run { started_at: now, ended_at: now, ready_at, was_due: attempt > 1 };
        let kind = ErrorKind::TIMEOUT;
        let message = format!("took {attempt} s");
        let failed = matches!(ending, Ending::Retried { .. } | Ending::Dead);
        let error = ObservedError { kind: &kind, message: &message, rule: Rule::Strategy };
        let seen = Observation {
            queue: &queue,
            task: Some(&task),
            job: &JobId::random(),
            attempt,
            crashes: 0,
            run: Some(run),
            ending,
            error: failed.then_some(error),
        };
        self.tally.record(&seen, now);
    }

    /// Returns the reports that were written.
    fn write_reports(&mut self, now: Timestamp) -> Vec<StatsReport> {
        let mut reports = Vec::new();
        for it in self.tally.unwritten(&self.worker, "1.2.3", now) {
            self.tally.written(&it);
            reports.push(it.report.clone());
            self.history.apply(it.report, now);
        }
        self.history.advance(now);
        reports
    }
}

fn retried(now: Timestamp, after: u64) -> Ending {
    let delay = Duration::from_secs(after);
    Ending::Retried { delay, due_at: now + delay }
}

#[test]
fn a_newer_report_takes_the_place_of_the_older() {
    let mut process = TestProcess::new();
    let start = Minute(30_000_000).start();
    for second in 0..90 {
        let now = start + Duration::from_secs(second);
        process.sees(1, retried(now, 600), now);
        process.sees(2, Ending::Completed, now);
        process.write_reports(now);
    }
    let now = start + Duration::from_secs(90);
    let all = process.history.totals(DAY, now).all();
    assert_eq!((all.starts.total(), all.completed.at(2), all.retried.at(1)), (180, 90, 90));
    assert_eq!((all.wait.count(), all.lateness.count()), (90, 90));
    let due: u64 = process.history.due(None, None, DAY, now).iter().map(|(_, n)| n).sum();
    assert_eq!(due, 90);
    let groups = process.history.groups(DAY, 24, now);
    assert_eq!(groups.len(), 1);
    let group = &groups[0].group;
    assert_eq!((group.count, group.retried, group.pattern.as_str()), (90, 90, "took … s"));
    assert_eq!(group.rules[&Rule::Strategy], 90);
    assert_eq!(groups[0].points.iter().map(|(_, n)| n).sum::<u64>(), 90);
    let pulse: u64 = process.history.pulse().map(|pulse| pulse.starts).sum();
    assert_eq!(pulse, 180);
    let series = process.history.series(None, None, DAY, 24, now);
    assert_eq!(series.len(), 24);
    assert_eq!(series.iter().map(|p| p.counts.starts.total()).sum::<u64>(), 180);
}

#[test]
fn old_minutes_are_folded_and_forgotten_without_losing_a_count() {
    let mut process = TestProcess::new();
    let start = Minute(30_000_000).start();
    for minute in 0..2_000 {
        let now = start + Duration::from_secs(60 * minute);
        process.sees(1, Ending::Dead, now);
        process.write_reports(now);
    }
    let now = start + Duration::from_secs(60 * 1_999);
    let dead = |window| process.history.totals(window, now).all().dead.total();
    assert!((1_431..=1_441).contains(&dead(DAY)), "{}", dead(DAY));
    // The minute that has just begun, and the sixty before it.
    assert_eq!(dead(Duration::from_secs(3_600)), 61);
    assert!(process.history.buckets.len() < 300, "{}", process.history.buckets.len());
    assert!(process.history.replaceable.len() <= REPLACEABLE_MINUTES as usize);
    assert_eq!(process.history.groups(DAY, 24, now)[0].group.count, dead(DAY));
}

#[test]
fn a_report_that_lies_makes_no_group_grow() {
    let now = Minute(30_000_000).start();
    let mut process = TestProcess::new();
    process.sees(1, Ending::Dead, now);
    let reports = process.tally.unwritten(&process.worker, "1", now);
    for n in 0..100 {
        let mut report = reports[0].report.clone();
        (report.version, report.written_at) = (format!("9.{n:03}"), now + DAY / 10_000 * n);
        for error in &mut report.errors {
            let job = error.jobs[0].clone();
            error.jobs = (0..100).map(|_| JobKey { id: JobId::random(), ..job.clone() }).collect();
            error.versions = (0..100).map(|at| format!("1.{n}.{at}")).collect();
        }
        process.history.apply(report, now);
    }
    let group = &process.history.groups(DAY, 1, now)[0].group;
    assert_eq!((group.versions.len(), group.jobs.len()), (20, 5));
    assert_eq!(group.versions.last().map(String::as_str), Some("9.099"));
}

#[test]
fn starts_and_due_retries_of_all_tasks_are_those_of_each() {
    let now = Minute(30_000_000).start();
    let mut process = TestProcess::new();
    for (s, minutes) in [(30, 0), (90, 0), (30, 7)] {
        let at = now + Duration::from_secs(60 * minutes);
        let delay = Duration::from_secs(s);
        process.sees(1, Ending::Retried { delay, due_at: at + delay }, at);
    }
    let now = now + Duration::from_secs(60 * 7);
    for it in process.tally.unwritten(&process.worker, "1", now) {
        process.history.apply(it.report, now);
    }
    let (history, queue, hour) =
        (&process.history, QueueName::default(), Duration::from_secs(3_600));
    let key = (queue.clone(), TaskName::new("t").expect("a name"));
    let one: u64 = history.due(Some(&key.0), Some(&key.1), hour, now).iter().map(|it| it.1).sum();
    assert_eq!(history.due_by_task(hour, now), BTreeMap::from([(key, one)]));
    assert_eq!(one, 1);
    let series = history.series(Some(&queue), None, hour, 30, now);
    let starts: Vec<_> = series.iter().map(|point| point.counts.starts.total()).collect();
    assert_eq!(starts.iter().sum::<u64>(), 3);
    assert_eq!(history.starts_by_queue(hour, 30, now), HashMap::from([(queue, starts)]));
}

#[test]
fn a_clock_far_ahead_is_not_believed() {
    let mut process = TestProcess::new();
    let now = Minute(30_000_000).start();
    process.sees(1, Ending::Completed, now + DAY);
    for it in process.tally.unwritten(&process.worker, "1", now + DAY) {
        process.history.apply(it.report, now);
    }
    assert_eq!(process.history.ignored(), 1);
    assert_eq!(process.history.totals(DAY, now + DAY).all(), Counts::default());
}

/// Everything again, as a reader sees it whose place in the stream was lost.
fn told_again(history: &mut History, reports: &[StatsReport], now: Timestamp) {
    reports.iter().for_each(|report| history.apply(report.clone(), now));
}

#[test]
fn a_day_that_is_read_twice_counts_once() {
    let mut process = TestProcess::new();
    let start = Minute(30_000_000).start();
    let mut reports = Vec::new();
    for minute in 0..300 {
        let now = start + Duration::from_secs(60 * minute);
        process.sees(1, retried(now, 600), now);
        reports.extend(process.write_reports(now));
    }
    let now = start + Duration::from_secs(60 * 299);
    let before = process.history.totals(DAY, now);
    assert_eq!(before.all().starts.total(), 300);
    told_again(&mut process.history, &reports, now);
    assert_eq!(process.history.totals(DAY, now), before);
    let group = &process.history.groups(DAY, 1, now)[0].group;
    assert_eq!((group.count, group.rules[&Rule::Strategy]), (300, 300));
    assert_eq!(process.history.ignored(), 0);
    // A newer report that comes too late to replace another one adds nothing.
    let late = StatsReport { written_at: now, ..reports[0].clone() };
    process.history.apply(late, now);
    assert_eq!((process.history.totals(DAY, now), process.history.ignored()), (before, 1));
    assert_eq!(process.history.known_since(), Some(start));
}

#[test]
fn reports_of_a_restarted_worker_replace_no_other() {
    let (mut first, mut second) = (TestProcess::new(), TestProcess::new());
    let now = Minute(30_000_000).start();
    for at in [now, now + Duration::from_secs(40)] {
        first.sees(1, Ending::Completed, at);
        second.sees(1, Ending::Completed, at);
        for report in second.write_reports(at) {
            first.history.apply(report, at);
        }
        first.write_reports(at);
    }
    let counts = first.history.totals(DAY, now + Duration::from_secs(40)).all();
    assert_eq!(counts.completed.total(), 4);
}

#[test]
fn a_reader_that_was_away_for_hours_replaces_in_the_right_place() {
    let mut process = TestProcess::new();
    let start = Minute(30_000_001).start();
    process.sees(1, Ending::Completed, start);
    process.write_reports(start);
    process.sees(1, Ending::Completed, start);
    let due = process.tally.unwritten(&process.worker, "1", start);
    let later = start + Duration::from_secs(60 * (FINE_MINUTES + 5));
    for it in due {
        process.history.apply(it.report, later);
    }
    process.history.advance(later);
    // Too late: but what was there is not gone, nor there twice.
    let counts = process.history.totals(DAY, later).all();
    assert_eq!((counts.completed.total(), process.history.ignored()), (1, 1));
}

#[test]
fn totals_and_totals_before_add_up_to_a_day() {
    let mut process = TestProcess::new();
    let start = Minute(30_000_000).start();
    let mut now = start;
    for minute in 0..200 {
        now = start + Duration::from_millis(60_000 * minute + 30_000 * (minute % 2));
        process.sees(1, Ending::Completed, now);
        process.write_reports(now);
    }
    let hour = Duration::from_secs(3_600);
    for at in [now, now + Duration::from_millis(1), now + Duration::from_secs(59)] {
        let mut both = process.history.totals_before(hour, DAY, at);
        assert!(both.all().starts.total() > 100);
        both.add(&process.history.totals(hour, at));
        assert_eq!(both, process.history.totals(DAY, at));
    }
    assert_eq!(process.history.totals_before(DAY, hour, now), Totals::default());
}

/// A report with these groups of failures, each once.
fn failing(groups: std::ops::Range<u32>, at: Timestamp) -> StatsReport {
    let mut process = TestProcess::new();
    process.sees(1, Ending::Dead, at);
    let mut report = process.write_reports(at).pop().expect("a report");
    let group = report.errors.pop().expect("a group");
    let one = |n: u32| ErrorGroup { pattern: format!("error {n}"), ..group.clone() };
    report.errors = groups.map(one).collect();
    report
}

#[test]
fn a_flood_of_error_groups_is_counted_and_stays_bounded() {
    let mut history = History::default();
    let now = Minute(30_000_000).start();
    let mut reports = Vec::new();
    for n in 0..100 {
        let at = now + Duration::from_secs(n);
        let report = failing((n as u32 * 90)..(n as u32 * 90 + 90), at);
        reports.push(report.clone());
        history.apply(report, at);
        assert!(history.groups.len() <= 2 * MAX_GROUPS, "{}", history.groups.len());
    }
    let now = now + Duration::from_secs(100);
    let count = |history: &History| {
        let known: u64 = history.groups(DAY, 1, now).iter().map(|it| it.group.count).sum();
        (known, history.other_errors(DAY, now))
    };
    history.advance(now);
    assert_eq!(count(&history), (MAX_GROUPS as u64, 9_000 - MAX_GROUPS as u64));
    let kept = history.buckets.values().map(|bucket| bucket.errors.len()).sum::<usize>();
    assert!(kept <= 2 * MAX_GROUPS, "a slot names no group that is forgotten: {kept}");
    // Forgotten in between, and replaced: still each failure once.
    for mut report in reports {
        report.written_at = report.written_at + Duration::from_secs(200);
        history.apply(report, now);
    }
    let (known, others) = count(&history);
    assert_eq!(known + others, 9_000);
}

#[test]
fn a_report_may_say_anything() {
    let now = Minute(30_000_000).start();
    let mut report = failing(0..500, now);
    for group in &mut report.errors {
        group.message = "m".repeat(100_000);
        group.count = u64::MAX;
        group.versions = (0..100).map(|n| n.to_string()).collect();
    }
    report.errors[0].pattern = "p".repeat(100_000);
    let mut history = History::default();
    history.apply(report, now);
    let groups = history.groups(DAY, 1, now);
    assert_eq!((groups.len(), history.other_errors(DAY, now)), (MAX_ERROR_GROUPS, u64::MAX));
    for GroupHistory { group, .. } in groups {
        let sizes = (group.message.len(), group.pattern.len(), group.versions.len());
        assert!(sizes.0 < 500 && sizes.1 < 1_500 && sizes.2 == 1, "{sizes:?}");
        assert!(history.group(group.id()).is_some(), "it is found under its own id");
    }
}
