//! [`Tally`]: the counts of one process, until they are written to the broker.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::error_group::pattern_of;
use super::{Counts, ErrorGroup, GroupId, Minute, Observation, StatsReport, TaskStats};
use crate::clock::Timestamp;
use crate::names::{QueueName, TaskName, WorkerId};

/// The most error groups in a report. Failures of further groups are counted together. A report with this
/// many groups is well below the message limit of any broker.
pub const MAX_ERROR_GROUPS: usize = 100;

/// How many minutes of counts a process keeps while it cannot write them. In a longer outage it drops
/// the oldest.
pub const UNSENT_MINUTES: usize = 60;
/// If the clock was set back by at most this many minutes, the newest minute continues.
const MAX_MINUTES_BACK: u64 = 2;

/// Counts observations by minute, and gives the reports of the minutes that must be written.
#[derive(Debug)]
pub struct Tally {
    minutes: BTreeMap<TallyMinute, MinuteCounts>,
    /// The newest minute, which counts new observations. A newer report of a minute must not have
    /// lower counts than an older one. So if the clock was set back a little, this minute continues. If it was set back more,
    /// counting starts under another process name.
    current: TallyMinute,
    /// Random, so that two processes with the same worker id have different names.
    seed: u32,
}

/// How often the clock was set back by more than [`MAX_MINUTES_BACK`], and a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct TallyMinute {
    clock: u32,
    minute: Minute,
}

impl Default for Tally {
    fn default() -> Self {
        let seed = RandomState::new().hash_one(()) as u32;
        Self { minutes: BTreeMap::new(), current: TallyMinute::default(), seed }
    }
}

#[derive(Debug, Default)]
struct MinuteCounts {
    tasks: HashMap<(QueueName, TaskName), Counts>,
    errors: HashMap<GroupId, ErrorGroup>,
    other_errors: u64,
    /// The number of observations.
    changes: u64,
    /// How many of those observations are in the report that was written last.
    written: u64,
    /// The time in the last report. The next report has a later time, even if the clock was set back.
    reported_at: Timestamp,
}

/// Which observations a report has, so that they can be marked as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ReportMark {
    minute: TallyMinute,
    changes: u64,
}

impl Tally {
    /// Counts one observation, made at `now`.
    pub fn record(&mut self, seen: &Observation<'_>, now: Timestamp) {
        let minute = self.minute_at(now);
        let count = self.minutes.entry(minute).or_default();
        count.changes += 1;
        let task = seen.task.cloned().unwrap_or_else(TaskStats::unknown_task);
        if let Some(error) = &seen.error {
            let pattern = pattern_of(error);
            let id = GroupId::of(&task, error.kind, &pattern);
            let full = count.errors.len() >= MAX_ERROR_GROUPS && !count.errors.contains_key(&id);
            if full {
                count.other_errors += 1;
            } else {
                let new = || ErrorGroup::new(task.clone(), pattern, seen, error, now);
                count.errors.entry(id).or_insert_with(new).record(seen, error, now);
            }
        }
        let key = (seen.queue.clone(), task);
        count.tasks.entry(key).or_default().record(seen);
    }

    /// The minute that counts observations at `now`.
    fn minute_at(&mut self, now: Timestamp) -> TallyMinute {
        let current = &mut self.current;
        let minute = Minute::of(now);
        if minute.0 + MAX_MINUTES_BACK < current.minute.0 {
            *current = TallyMinute { clock: current.clock.wrapping_add(1), minute };
        }
        current.minute = current.minute.max(minute);
        *current
    }

    /// The reports with new counts, oldest first. Call [`written`](Self::written) when one is stored.
    pub fn unwritten(
        &mut self,
        worker: &WorkerId,
        version: &str,
        now: Timestamp,
    ) -> Vec<Unwritten> {
        let current = self.minute_at(now);
        let seed = self.seed;
        let is_near =
            |at: &TallyMinute| at.minute.0.abs_diff(current.minute.0) < UNSENT_MINUTES as u64;
        self.minutes
            .retain(|at, count| *at == current || (count.changes > count.written && is_near(at)));
        // Without this limit, a clock that is set back many times could add any number of minutes.
        while self.minutes.len() > UNSENT_MINUTES {
            self.minutes.pop_first();
        }
        let changed = self.minutes.iter_mut().filter(|(_, count)| count.changes > count.written);
        changed
            .map(|(at, count)| {
                let process = format!("{:08x}", seed.wrapping_add(at.clock));
                count.reported_at = now.max(count.reported_at + Duration::from_millis(1));
                let report = count.report(worker, process, version, at.minute);
                Unwritten { mark: ReportMark { minute: *at, changes: count.changes }, report }
            })
            .collect()
    }

    /// Marks the counts of this report as stored.
    pub fn written(&mut self, report: &Unwritten) {
        let ReportMark { minute, changes } = report.mark;
        if let Some(count) = self.minutes.get_mut(&minute) {
            count.written = count.written.max(changes);
        }
    }
}

/// A report that must be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Unwritten {
    mark: ReportMark,
    /// The report.
    pub report: StatsReport,
}

impl MinuteCounts {
    fn report(
        &self,
        worker: &WorkerId,
        process: String,
        version: &str,
        minute: Minute,
    ) -> StatsReport {
        let task = |(key, counts): (&(QueueName, TaskName), &Counts)| TaskStats {
            queue: key.0.clone(),
            task: key.1.clone(),
            counts: counts.clone(),
        };
        let mut tasks: Vec<_> = self.tasks.iter().map(task).collect();
        tasks.sort_by(|a, b| (&a.queue, &a.task).cmp(&(&b.queue, &b.task)));
        let mut errors: Vec<_> = self.errors.values().cloned().collect();
        errors.sort_by_key(ErrorGroup::id);
        StatsReport {
            worker: worker.clone(),
            process,
            version: version.to_owned(),
            minute,
            written_at: self.reported_at,
            tasks,
            errors,
            other_errors: self.other_errors,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::JobId;
    use crate::stats::Ending;

    fn seen<'a>(queue: &'a QueueName, job: &'a JobId) -> Observation<'a> {
        let (attempt, crashes, run, error) = (1, 0, None, None);
        Observation {
            queue,
            task: None,
            job,
            attempt,
            crashes,
            run,
            ending: Ending::Completed,
            error,
        }
    }

    #[test]
    fn a_minute_is_written_again_only_when_something_was_added() {
        let (queue, job) = (QueueName::default(), JobId::random());
        let worker = WorkerId::new("w").expect("a name");
        let at = |s: u64| Timestamp::from_millis(s * 1_000);
        let mut tally = Tally::default();
        tally.record(&seen(&queue, &job), at(59));
        tally.record(&seen(&queue, &job), at(61));
        let due = tally.unwritten(&worker, "1", at(61));
        let minutes: Vec<_> = due.iter().map(|it| it.report.minute.0).collect();
        assert_eq!(minutes, [0, 1]);
        // Something happens while it is on its way.
        tally.record(&seen(&queue, &job), at(62));
        due.iter().for_each(|it| tally.written(it));
        let due = tally.unwritten(&worker, "1", at(62));
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].report.tasks[0].counts.completed.total(), 2, "the whole minute");
        due.iter().for_each(|it| tally.written(it));
        assert_eq!(tally.unwritten(&worker, "1", at(300)), []);
        assert!(tally.minutes.is_empty(), "a minute that is over and written is forgotten");
    }

    #[test]
    fn counts_that_were_written_stay_when_the_clock_is_set_back() {
        let (queue, job) = (QueueName::default(), JobId::random());
        let worker = WorkerId::new("w").expect("a name");
        let mut tally = Tally::default();
        let later = Timestamp::from_millis(10 * Minute::MS);
        tally.record(&seen(&queue, &job), later);
        tally.record(&seen(&queue, &job), later.saturating_sub(Duration::from_secs(120)));
        let due = tally.unwritten(&worker, "1", later);
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].report.minute, Minute(10));
    }

    #[test]
    fn reports_after_a_clock_was_an_hour_ahead_replace_no_earlier_report() {
        let (queue, job) = (QueueName::default(), JobId::random());
        let worker = WorkerId::new("w").expect("a name");
        let mut tally = Tally::default();
        let mut report_at = |at| {
            tally.record(&seen(&queue, &job), at);
            let due = tally.unwritten(&worker, "1", at);
            due.iter().for_each(|it| tally.written(it));
            let reports: Vec<_> = due.into_iter().map(|it| it.report).collect();
            let [report] = &reports[..] else { panic!("one report: {reports:?}") };
            (report.source(), report.minute, report.written_at)
        };
        let before = report_at(Minute(10).start());
        let ahead = report_at(Minute(70).start());
        let right = report_at(Minute(10).start());
        let after = report_at(Minute(11).start());
        assert_eq!([ahead.1, right.1, after.1], [Minute(70), Minute(10), Minute(11)]);
        assert_eq!(ahead.0, before.0);
        assert_ne!(right.0, before.0, "the tenth minute was written before, with other jobs");
        assert_eq!(after.0, right.0);
    }

    #[test]
    fn a_later_report_has_a_later_time_even_if_the_clock_is_set_back() {
        let (queue, job) = (QueueName::default(), JobId::random());
        let worker = WorkerId::new("w").expect("a name");
        let mut tally = Tally::default();
        let times = [59_000, 59_000, 58_000, 60_500, 59_900].map(|ms| {
            let at = Timestamp::from_millis(ms);
            tally.record(&seen(&queue, &job), at);
            tally.unwritten(&worker, "1", at).pop().expect("a report").report.written_at
        });
        assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    }

    #[test]
    fn counts_that_could_not_be_written_for_an_hour_are_dropped() {
        let (queue, job) = (QueueName::default(), JobId::random());
        let worker = WorkerId::new("w").expect("a name");
        let mut tally = Tally::default();
        for minute in [0, 100, 130] {
            tally.record(&seen(&queue, &job), Minute(minute).start());
        }
        let due = tally.unwritten(&worker, "1", Minute(130).start());
        let minutes: Vec<_> = due.iter().map(|it| it.report.minute.0).collect();
        assert_eq!(minutes, [100, 130]);
    }

    #[test]
    fn an_outage_and_a_flood_of_errors_stay_bounded() {
        let (queue, job) = (QueueName::default(), JobId::random());
        let worker = WorkerId::new("w").expect("a name");
        let mut tally = Tally::default();
        for minute in 0..200 {
            tally.record(&seen(&queue, &job), Minute(minute).start());
        }
        let due = tally.unwritten(&worker, "1", Minute(199).start());
        assert_eq!(due.len(), UNSENT_MINUTES);
        let kind = crate::ErrorKind::ERROR;
        for n in 0..500_u32 {
            let letters: String = n.to_string().bytes().map(|b| char::from(b + 49)).collect();
            let error = crate::stats::ObservedError {
                kind: &kind,
                message: &letters,
                rule: crate::retry::Rule::MaxRetries,
            };
            let seen = Observation { error: Some(error), ..seen(&queue, &job) };
            tally.record(&seen, Minute(199).start());
        }
        let due = tally.unwritten(&worker, "1", Minute(199).start());
        let report = &due.last().expect("a report").report;
        assert_eq!(report.errors.len(), MAX_ERROR_GROUPS);
        assert_eq!(report.other_errors, 400);
    }
}
