//! [`History`]: the statistics of the last day, from the reports of all workers.

pub(super) mod reads;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use super::report_counts::ReportCounts;
use super::time_bucket::TimeBucket;
use super::{Counts, ErrorGroup, GroupId, MAX_ERROR_GROUPS, Minute, StatsReport};
use crate::clock::Timestamp;
use crate::names::{QueueName, TaskName};

/// How far back the history goes, in minutes: one day.
const HISTORY_MINUTES: u64 = 24 * 60;
/// How many of the newest minutes have a bucket of their own.
const FINE_MINUTES: u64 = 130;
/// How many minutes each older bucket has.
const COARSE_MINUTES: u64 = 10;
/// How old the minute of a report may be when a newer report replaces it. A worker keeps unsent
/// reports almost as long.
const REPLACEABLE_MINUTES: u64 = super::UNSENT_MINUTES as u64 + 5;
/// Reports are ignored if their minute is further ahead than this.
const MAX_MINUTES_AHEAD: u64 = 5;
/// The most error groups. When there are more, the groups seen longest ago are dropped.
const MAX_GROUPS: usize = 2_000;
/// How many of the last seconds have a [`Pulse`].
const PULSE_SECONDS: u64 = 120;

/// The statistics of all workers over the last day. Its size depends on the number of tasks and error
/// groups, not on the number of jobs.
#[derive(Debug, Default)]
pub struct History {
    /// The time buckets by their first minute.
    buckets: BTreeMap<Minute, TimeBucket>,
    /// When each report was written, so that a report that is read twice counts once.
    written: BTreeMap<ReportSource, Timestamp>,
    /// The counts of reports that may still be replaced.
    replaceable: BTreeMap<ReportSource, ReportCounts>,
    hasher: RandomState,
    groups: HashMap<GroupId, ErrorGroup>,
    due: BTreeMap<u64, HashMap<(QueueName, TaskName), u64>>,
    pulse: VecDeque<Pulse>,
    began: Option<Minute>,
    /// The minute of the last call of [`advance`](Self::advance).
    advanced: Minute,
    ignored: u64,
}

/// The minute of a report, and a hash of its worker and process.
type ReportSource = (Minute, u64);

/// The counts of one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// The second, counted from the Unix epoch.
    pub second: u64,
    /// How many attempts started.
    pub starts: u64,
    /// How many of those were retries.
    pub retries: u64,
    /// How many jobs completed.
    pub completed: u64,
    /// How many attempts failed.
    pub failed: u64,
}

/// The first minute of the bucket that has `minute` when the time is `now`.
fn bucket_of(minute: Minute, now: Minute) -> Minute {
    match minute.0 + FINE_MINUTES > now.0 {
        true => minute,
        false => Minute(minute.0 - minute.0 % COARSE_MINUTES),
    }
}

impl History {
    /// Adds a report. It replaces an older report of the same process and minute. A report that is not
    /// newer changes nothing, so that all reports can be read again. A report that is older than a day,
    /// has a minute far ahead, or comes too late to replace another one is ignored and counted in
    /// [`ignored`](Self::ignored).
    pub fn apply(&mut self, mut report: StatsReport, now: Timestamp) {
        let current = Minute::of(now);
        let began = *self.began.get_or_insert(current);
        // The report that this one replaces may have moved to a coarser bucket by now.
        if current > self.advanced {
            self.advance(now);
        }
        let minute = report.minute;
        if minute.0 > current.0 + MAX_MINUTES_AHEAD || minute.0 + HISTORY_MINUTES < current.0 {
            self.ignored += 1;
            return;
        }
        let source = (minute, self.hasher.hash_one((&report.worker, &report.process)));
        if self.written.get(&source).is_some_and(|at| *at >= report.written_at) {
            return;
        }
        let old = self.replaceable.remove(&source);
        if self.written.insert(source, report.written_at).is_some() && old.is_none() {
            self.ignored += 1;
            return;
        }
        report.fold_errors(MAX_ERROR_GROUPS);
        report.errors.iter_mut().for_each(ErrorGroup::bound_size);
        let counts = ReportCounts::from_report(&report);
        // A report of a minute before this process started to read says nothing of this second.
        if old.is_some() || minute >= began {
            self.count_second(report.written_at, &counts, old.as_ref(), now);
        }
        let bucket = self.buckets.entry(bucket_of(minute, current)).or_default();
        if let Some(old) = &old {
            bucket.remove(old);
            count_due(&mut self.due, minute, old, u64::saturating_sub);
            for (id, group_counts) in &old.errors {
                self.groups.entry(*id).and_modify(|group| group_counts.take_from(&mut group.rules));
            }
        }
        bucket.add(&counts);
        count_due(&mut self.due, minute, &counts, u64::saturating_add);
        for ((id, group_counts), error) in counts.errors.iter().zip(&report.errors) {
            let none = || ErrorGroup { rules: BTreeMap::new(), ..error.clone() };
            let group = self.groups.entry(*id).or_insert_with(none);
            group.merge_samples(error, &report.version);
            group.last_at = group.last_at.min(now);
            group_counts.add_to(&mut group.rules);
        }
        // While a whole day of reports is read, `advance` is not called.
        if self.groups.len() > 2 * MAX_GROUPS {
            self.forget_groups();
        }
        if minute.0 + REPLACEABLE_MINUTES > current.0 {
            self.replaceable.insert(source, counts);
        }
    }

    fn count_second(
        &mut self,
        written_at: Timestamp,
        report: &ReportCounts,
        old: Option<&ReportCounts>,
        now: Timestamp,
    ) {
        let mut new = report.sum();
        if let Some(old) = old {
            new.remove(&old.sum());
        }
        // A clock that is ahead must not create seconds that stay in the future.
        let second = written_at.min(now).as_millis() / 1_000;
        let at = self.pulse.partition_point(|pulse| pulse.second < second);
        if self.pulse.get(at).is_none_or(|pulse| pulse.second != second) {
            let none = Pulse { second, starts: 0, retries: 0, completed: 0, failed: 0 };
            self.pulse.insert(at, none);
        }
        let pulse = &mut self.pulse[at];
        pulse.starts = pulse.starts.saturating_add(new.starts.total());
        pulse.retries = pulse.retries.saturating_add(new.retry_starts());
        pulse.completed = pulse.completed.saturating_add(new.completed.total());
        pulse.failed = pulse.failed.saturating_add(new.failed());
    }

    /// Drops what is older than a day, and merges old minutes into coarser buckets. Call it regularly,
    /// for example once a second.
    pub fn advance(&mut self, now: Timestamp) {
        let current = Minute::of(now);
        self.advanced = current;
        self.buckets.retain(|minute, _| minute.0 + HISTORY_MINUTES >= current.0);
        let coarse: Vec<_> =
            self.buckets.keys().copied().filter(|m| bucket_of(*m, current) != *m).collect();
        for minute in coarse {
            if let Some(bucket) = self.buckets.remove(&minute) {
                self.buckets.entry(bucket_of(minute, current)).or_default().merge(bucket);
            }
        }
        drop_before(&mut self.replaceable, current.0.saturating_sub(REPLACEABLE_MINUTES - 1));
        drop_before(&mut self.written, current.0.saturating_sub(HISTORY_MINUTES));
        self.due = self.due.split_off(&(now.as_millis() / Counts::DUE_SLOT_MS));
        let second = now.as_millis() / 1_000;
        self.pulse.retain(|pulse| pulse.second + PULSE_SECONDS > second);
        let oldest = Minute(current.0.saturating_sub(HISTORY_MINUTES)).start();
        self.groups.retain(|_, group| group.last_at >= oldest);
        if self.groups.len() > MAX_GROUPS {
            self.forget_groups();
        }
    }

    /// Drops the groups that were seen longest ago, down to the limit.
    fn forget_groups(&mut self) {
        let mut ages: Vec<_> = self.groups.iter().map(|(id, g)| (g.last_at, *id)).collect();
        ages.sort_unstable();
        for (_, id) in &ages[..ages.len().saturating_sub(MAX_GROUPS)] {
            self.groups.remove(id);
        }
        let known = &self.groups;
        self.buckets
            .values_mut()
            .for_each(|bucket| bucket.keep_groups(|id| known.contains_key(id)));
    }

    /// The last two minutes by the second, oldest first. There is no pulse for a second without counts.
    pub fn pulse(&self) -> impl Iterator<Item = &Pulse> + '_ {
        self.pulse.iter()
    }

    /// How many reports were ignored: older than a day, with a minute far ahead, or too late to replace
    /// another one.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }
}

/// Drops the reports of minutes before `from`.
fn drop_before<T>(reports: &mut BTreeMap<ReportSource, T>, from: u64) {
    while reports.first_key_value().is_some_and(|((minute, _), _)| minute.0 < from) {
        reports.pop_first();
    }
}

/// Adds or subtracts the due times of a report.
fn count_due(
    due: &mut BTreeMap<u64, HashMap<(QueueName, TaskName), u64>>,
    minute: Minute,
    report: &ReportCounts,
    count: fn(u64, u64) -> u64,
) {
    let slots = |minute: u64| minute * (Minute::MS / Counts::DUE_SLOT_MS);
    // Due times more than a day ahead are left out: a process that starts later would not know them.
    let near = slots(minute.0)..slots(minute.0 + HISTORY_MINUTES);
    for stats in &report.tasks {
        for (slot, n) in stats.counts.due.iter().filter(|(slot, _)| near.contains(slot)) {
            let key = (stats.queue.clone(), stats.task.clone());
            let all = due.entry(*slot).or_default().entry(key).or_default();
            *all = count(*all, *n);
        }
    }
}
