//! What [`History`] makes of reports, in whatever order and shape they come.

use super::*;
use crate::ErrorKind;
use crate::names::{JobId, JobKey, WorkerId};
use crate::retry::Rule;
use crate::stats::{Ending, Observation, ObservedError, Run, Tally};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A worker that tells a history of what it sees.
struct Teller {
    tally: Tally,
    worker: WorkerId,
    history: History,
}

impl Teller {
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

    /// Returns what it told.
    fn tells(&mut self, now: Timestamp) -> Vec<StatsReport> {
        let mut told = Vec::new();
        for it in self.tally.unwritten(&self.worker, "1.2.3", now) {
            self.tally.written(&it);
            told.push(it.report.clone());
            self.history.apply(it.report, now);
        }
        self.history.advance(now);
        told
    }
}

fn retried(now: Timestamp, after: u64) -> Ending {
    let delay = Duration::from_secs(after);
    Ending::Retried { delay, due_at: now + delay }
}

#[test]
fn a_newer_report_takes_the_place_of_the_older() {
    let mut teller = Teller::new();
    let start = Minute(30_000_000).start();
    for second in 0..90 {
        let now = start + Duration::from_secs(second);
        teller.sees(1, retried(now, 600), now);
        teller.sees(2, Ending::Completed, now);
        teller.tells(now);
    }
    let now = start + Duration::from_secs(90);
    let all = teller.history.totals(DAY, now).all();
    assert_eq!((all.starts.total(), all.completed.at(2), all.retried.at(1)), (180, 90, 90));
    assert_eq!((all.wait.count(), all.lateness.count()), (90, 90));
    let due: u64 = teller.history.due(None, None, DAY, now).iter().map(|(_, n)| n).sum();
    assert_eq!(due, 90);
    let groups = teller.history.groups(DAY, 24, now);
    assert_eq!(groups.len(), 1);
    let group = &groups[0].group;
    assert_eq!((group.count, group.retried, group.pattern.as_str()), (90, 90, "took … s"));
    assert_eq!(group.rules[&Rule::Strategy], 90);
    assert_eq!(groups[0].points.iter().map(|(_, n)| n).sum::<u64>(), 90);
    let pulse: u64 = teller.history.pulse().map(|pulse| pulse.starts).sum();
    assert_eq!(pulse, 180);
    let series = teller.history.series(None, None, DAY, 24, now);
    assert_eq!(series.len(), 24);
    assert_eq!(series.iter().map(|p| p.counts.starts.total()).sum::<u64>(), 180);
}

#[test]
fn old_minutes_are_folded_and_forgotten_without_losing_a_count() {
    let mut teller = Teller::new();
    let start = Minute(30_000_000).start();
    for minute in 0..2_000 {
        let now = start + Duration::from_secs(60 * minute);
        teller.sees(1, Ending::Dead, now);
        teller.tells(now);
    }
    let now = start + Duration::from_secs(60 * 1_999);
    let dead = |window| teller.history.totals(window, now).all().dead.total();
    assert!((1_431..=1_441).contains(&dead(DAY)), "{}", dead(DAY));
    // The minute that has just begun, and the sixty before it.
    assert_eq!(dead(Duration::from_secs(3_600)), 61);
    assert!(teller.history.buckets.len() < 300, "{}", teller.history.buckets.len());
    assert!(teller.history.replaceable.len() <= REPLACEABLE_MINUTES as usize);
    assert_eq!(teller.history.groups(DAY, 24, now)[0].group.count, dead(DAY));
}

#[test]
fn a_report_that_lies_makes_no_group_grow() {
    let now = Minute(30_000_000).start();
    let mut teller = Teller::new();
    teller.sees(1, Ending::Dead, now);
    let told = teller.tally.unwritten(&teller.worker, "1", now);
    for n in 0..100 {
        let mut report = told[0].report.clone();
        (report.version, report.written_at) = (format!("9.{n:03}"), now + DAY / 10_000 * n);
        for error in &mut report.errors {
            let job = error.jobs[0].clone();
            error.jobs = (0..100).map(|_| JobKey { id: JobId::random(), ..job.clone() }).collect();
            error.versions = (0..100).map(|at| format!("1.{n}.{at}")).collect();
        }
        teller.history.apply(report, now);
    }
    let group = &teller.history.groups(DAY, 1, now)[0].group;
    assert_eq!((group.versions.len(), group.jobs.len()), (20, 5));
    assert_eq!(group.versions.last().map(String::as_str), Some("9.099"));
}

#[test]
fn starts_and_due_retries_of_all_tasks_are_those_of_each() {
    let now = Minute(30_000_000).start();
    let mut teller = Teller::new();
    for (s, minutes) in [(30, 0), (90, 0), (30, 7)] {
        let at = now + Duration::from_secs(60 * minutes);
        let delay = Duration::from_secs(s);
        teller.sees(1, Ending::Retried { delay, due_at: at + delay }, at);
    }
    let now = now + Duration::from_secs(60 * 7);
    for it in teller.tally.unwritten(&teller.worker, "1", now) {
        teller.history.apply(it.report, now);
    }
    let (history, queue, hour) =
        (&teller.history, QueueName::default(), Duration::from_secs(3_600));
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
    let mut teller = Teller::new();
    let now = Minute(30_000_000).start();
    teller.sees(1, Ending::Completed, now + DAY);
    for it in teller.tally.unwritten(&teller.worker, "1", now + DAY) {
        teller.history.apply(it.report, now);
    }
    assert_eq!(teller.history.ignored(), 1);
    assert_eq!(teller.history.totals(DAY, now + DAY).all(), Counts::default());
}

/// Everything again, as a reader sees it whose place in the stream was lost.
fn told_again(history: &mut History, reports: &[StatsReport], now: Timestamp) {
    reports.iter().for_each(|report| history.apply(report.clone(), now));
}

#[test]
fn a_day_that_is_read_twice_counts_once() {
    let mut teller = Teller::new();
    let start = Minute(30_000_000).start();
    let mut reports = Vec::new();
    for minute in 0..300 {
        let now = start + Duration::from_secs(60 * minute);
        teller.sees(1, retried(now, 600), now);
        reports.extend(teller.tells(now));
    }
    let now = start + Duration::from_secs(60 * 299);
    let before = teller.history.totals(DAY, now);
    assert_eq!(before.all().starts.total(), 300);
    told_again(&mut teller.history, &reports, now);
    assert_eq!(teller.history.totals(DAY, now), before);
    let group = &teller.history.groups(DAY, 1, now)[0].group;
    assert_eq!((group.count, group.rules[&Rule::Strategy]), (300, 300));
    assert_eq!(teller.history.ignored(), 0);
    // What is newer, but too late to replace what was told, adds nothing to it.
    let late = StatsReport { written_at: now, ..reports[0].clone() };
    teller.history.apply(late, now);
    assert_eq!((teller.history.totals(DAY, now), teller.history.ignored()), (before, 1));
    assert_eq!(teller.history.known_since(), Some(start));
}

#[test]
fn a_worker_that_starts_again_replaces_nothing() {
    let (mut first, mut second) = (Teller::new(), Teller::new());
    let now = Minute(30_000_000).start();
    for at in [now, now + Duration::from_secs(40)] {
        first.sees(1, Ending::Completed, at);
        second.sees(1, Ending::Completed, at);
        for report in second.tells(at) {
            first.history.apply(report, at);
        }
        first.tells(at);
    }
    let counts = first.history.totals(DAY, now + Duration::from_secs(40)).all();
    assert_eq!(counts.completed.total(), 4);
}

#[test]
fn a_reader_that_was_away_for_hours_replaces_in_the_right_place() {
    let mut teller = Teller::new();
    let start = Minute(30_000_001).start();
    teller.sees(1, Ending::Completed, start);
    teller.tells(start);
    teller.sees(1, Ending::Completed, start);
    let due = teller.tally.unwritten(&teller.worker, "1", start);
    let later = start + Duration::from_secs(60 * (FINE_MINUTES + 5));
    for it in due {
        teller.history.apply(it.report, later);
    }
    teller.history.advance(later);
    // Too late: but what was there is not gone, nor there twice.
    let counts = teller.history.totals(DAY, later).all();
    assert_eq!((counts.completed.total(), teller.history.ignored()), (1, 1));
}

#[test]
fn an_hour_and_what_was_before_are_a_day() {
    let mut teller = Teller::new();
    let start = Minute(30_000_000).start();
    let mut now = start;
    for minute in 0..200 {
        now = start + Duration::from_millis(60_000 * minute + 30_000 * (minute % 2));
        teller.sees(1, Ending::Completed, now);
        teller.tells(now);
    }
    let hour = Duration::from_secs(3_600);
    for at in [now, now + Duration::from_millis(1), now + Duration::from_secs(59)] {
        let mut both = teller.history.totals_before(hour, DAY, at);
        assert!(both.all().starts.total() > 100);
        both.add(&teller.history.totals(hour, at));
        assert_eq!(both, teller.history.totals(DAY, at));
    }
    assert_eq!(teller.history.totals_before(DAY, hour, now), Totals::default());
}

/// A report with these groups of failures, each once.
fn failing(groups: std::ops::Range<u32>, at: Timestamp) -> StatsReport {
    let mut teller = Teller::new();
    teller.sees(1, Ending::Dead, at);
    let mut report = teller.tells(at).pop().expect("a report");
    let group = report.errors.pop().expect("a group");
    let one = |n: u32| ErrorGroup { pattern: format!("error {n}"), ..group.clone() };
    report.errors = groups.map(one).collect();
    report
}

#[test]
fn a_flood_of_error_groups_is_counted_and_stays_bounded() {
    let mut history = History::default();
    let now = Minute(30_000_000).start();
    let mut told = Vec::new();
    for n in 0..100 {
        let at = now + Duration::from_secs(n);
        let report = failing((n as u32 * 90)..(n as u32 * 90 + 90), at);
        told.push(report.clone());
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
    for mut report in told {
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
