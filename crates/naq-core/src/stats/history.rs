//! [`History`]: the statistics of the last day, from the reports of all workers.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::group_failures::GroupFailures;
use super::report_counts::ReportCounts;
use super::time_bucket::TimeBucket;
use super::{Counts, ErrorGroup, GroupId, MAX_ERROR_GROUPS, Minute, StatsReport, Totals};
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

/// One point of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// When its period starts.
    pub at: Timestamp,
    /// How long its period is.
    pub span: Duration,
    /// The counts of that period.
    pub counts: Counts,
}

/// An error group, and its failures over time.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupHistory {
    /// The group, with the counts of the whole window.
    pub group: ErrorGroup,
    /// The number of failures by time, without gaps, oldest first.
    pub points: Vec<(Timestamp, u64)>,
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

    fn since(
        &self,
        window: Duration,
        now: Timestamp,
    ) -> impl Iterator<Item = (&Minute, &TimeBucket)> {
        self.buckets.range(first_of(window, now)..)
    }

    /// The counts of the last `window`, in whole buckets. A bucket has one minute if it is at most two
    /// hours old, and ten minutes if it is older.
    pub fn totals(&self, window: Duration, now: Timestamp) -> Totals {
        let mut totals = Totals::default();
        self.since(window, now).for_each(|(_, bucket)| bucket.add_to(&mut totals));
        totals
    }

    /// The counts of the last `window` without the counts of the last `recent`. They change about once a
    /// minute.
    pub fn totals_before(&self, recent: Duration, window: Duration, now: Timestamp) -> Totals {
        let mut totals = Totals::default();
        let before = first_of(window.max(recent), now)..first_of(recent, now);
        self.buckets.range(before).for_each(|(_, bucket)| bucket.add_to(&mut totals));
        totals
    }

    /// The minute of the oldest report. `None` if there are no reports.
    pub fn known_since(&self) -> Option<Timestamp> {
        self.written.keys().next().map(|(minute, _)| minute.start())
    }

    /// The counts of `queue` and `task` over the last `window`, in `points` parts of equal length, oldest
    /// first. `None` means all queues or all tasks.
    pub fn series(
        &self,
        queue: Option<&QueueName>,
        task: Option<&TaskName>,
        window: Duration,
        points: u32,
        now: Timestamp,
    ) -> Vec<Point> {
        let buckets = SeriesBuckets::new(window, points, now);
        let mut series: Vec<_> =
            buckets.empty(|at, span| Point { at, span, counts: Counts::default() });
        for (minute, bucket) in self.buckets.range(Minute::of(buckets.from)..) {
            let Some(point) = series.get_mut(buckets.index(*minute)) else { continue };
            for ((of_queue, of_task), counts) in &bucket.tasks {
                if queue.is_none_or(|q| q == of_queue) && task.is_none_or(|t| t == of_task) {
                    point.counts.add(counts);
                }
            }
        }
        series
    }

    /// How many attempts started in each queue over the last `window`, in the same parts as those of
    /// [`series`](Self::series).
    pub fn starts_by_queue(
        &self,
        window: Duration,
        points: u32,
        now: Timestamp,
    ) -> HashMap<QueueName, Vec<u64>> {
        let buckets = SeriesBuckets::new(window, points, now);
        let mut queues: HashMap<QueueName, Vec<u64>> = HashMap::new();
        for (minute, bucket) in self.buckets.range(Minute::of(buckets.from)..) {
            let point = buckets.index(*minute);
            for ((queue, _), counts) in &bucket.tasks {
                if !queues.contains_key(queue) {
                    queues.insert(queue.clone(), buckets.empty(|_, _| 0));
                }
                if let Some(starts) = queues.get_mut(queue).and_then(|all| all.get_mut(point)) {
                    *starts = starts.saturating_add(counts.starts.total());
                }
            }
        }
        queues
    }

    /// The error groups of the last `window`, the most frequent first, each with its failures in
    /// `points` parts of the window.
    pub fn groups(&self, window: Duration, points: u32, now: Timestamp) -> Vec<GroupHistory> {
        let buckets = SeriesBuckets::new(window, points, now);
        let mut found: HashMap<GroupId, (GroupFailures, Vec<(Timestamp, u64)>)> = HashMap::new();
        for (minute, bucket) in self.buckets.range(Minute::of(buckets.from)..) {
            for (id, failures) in bucket.errors.iter().filter(|(_, f)| f.count > 0) {
                let none = || (GroupFailures::default(), buckets.empty(|at, _| (at, 0)));
                let (sum, series) = found.entry(*id).or_insert_with(none);
                sum.add(*failures);
                if let Some((_, n)) = series.get_mut(buckets.index(*minute)) {
                    *n = n.saturating_add(failures.count);
                }
            }
        }
        let named = found.into_iter().filter_map(|(id, (sum, points))| {
            let group = ErrorGroup {
                count: sum.count,
                retried: sum.retried,
                dead: sum.dead,
                ..self.groups.get(&id)?.clone()
            };
            Some(GroupHistory { group, points })
        });
        let mut groups: Vec<_> = named.collect();
        groups.sort_by(|a, b| {
            let rank = |it: &GroupHistory| (it.group.count, it.group.last_at, it.group.id());
            rank(b).cmp(&rank(a))
        });
        groups
    }

    /// How many failures of the last `window` have no error group in this history, because there were
    /// too many groups.
    pub fn other_errors(&self, window: Duration, now: Timestamp) -> u64 {
        let others = self.since(window, now).map(|(_, bucket)| bucket.other_errors);
        others.fold(0, u64::saturating_add)
    }

    /// The error group with this id.
    pub fn group(&self, id: GroupId) -> Option<&ErrorGroup> {
        self.groups.get(&id)
    }

    /// How many retries come due within `ahead` from now on, in time buckets of
    /// [`Counts::DUE_SLOT_MS`]. It uses the due times that were decided: a job that was cancelled,
    /// released or moved since then still counts. A job that waits longer than
    /// a day does not count.
    pub fn due(
        &self,
        queue: Option<&QueueName>,
        task: Option<&TaskName>,
        ahead: Duration,
        now: Timestamp,
    ) -> Vec<(Timestamp, u64)> {
        let fits = |key: &(QueueName, TaskName)| {
            queue.is_none_or(|q| *q == key.0) && task.is_none_or(|t| *t == key.1)
        };
        self.due_within(ahead, now)
            .map(|(slot, tasks)| {
                let fitting = tasks.iter().filter(|(key, _)| fits(key));
                let n = fitting.fold(0_u64, |sum, (_, n)| sum.saturating_add(*n));
                (Timestamp::from_millis(slot * Counts::DUE_SLOT_MS), n)
            })
            .filter(|(_, n)| *n > 0)
            .collect()
    }

    /// How many retries come due within `ahead` from now on, by queue and task; see [`due`](Self::due).
    pub fn due_by_task(
        &self,
        ahead: Duration,
        now: Timestamp,
    ) -> BTreeMap<(QueueName, TaskName), u64> {
        let mut due: BTreeMap<(QueueName, TaskName), u64> = BTreeMap::<_, u64>::new();
        for (key, n) in self.due_within(ahead, now).flat_map(|(_, tasks)| tasks) {
            match due.get_mut(key) {
                Some(all) => *all = all.saturating_add(*n),
                None if *n > 0 => drop(due.insert(key.clone(), *n)),
                None => {}
            }
        }
        due
    }

    fn due_within(
        &self,
        ahead: Duration,
        now: Timestamp,
    ) -> impl Iterator<Item = (&u64, &HashMap<(QueueName, TaskName), u64>)> {
        let slot = |at: Timestamp| at.as_millis() / Counts::DUE_SLOT_MS;
        self.due.range(slot(now)..slot(now + ahead).max(slot(now) + 1))
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

/// The first whole minute of the last `window`.
fn first_of(window: Duration, now: Timestamp) -> Minute {
    Minute::of(now.saturating_sub(window) + Duration::from_millis(Minute::MS - 1))
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

/// Splits a window into parts of whole minutes. The last part ends with the current minute.
struct SeriesBuckets {
    from: Timestamp,
    width: u64,
    count: u32,
}

impl SeriesBuckets {
    fn new(window: Duration, points: u32, now: Timestamp) -> Self {
        let minutes = (window.as_secs() / 60).clamp(1, HISTORY_MINUTES);
        let count = u32::try_from(minutes).unwrap_or(u32::MAX).min(points.max(1));
        let width = minutes.div_ceil(u64::from(count));
        let end = Minute::of(now).0 + 1;
        let from = Minute(end.saturating_sub(width * u64::from(count))).start();
        Self { from, width, count }
    }

    fn index(&self, minute: Minute) -> usize {
        let since = minute.0.saturating_sub(Minute::of(self.from).0);
        usize::try_from(since / self.width).unwrap_or(usize::MAX)
    }

    fn empty<T>(&self, make: impl Fn(Timestamp, Duration) -> T) -> Vec<T> {
        let span = Duration::from_millis(self.width * Minute::MS);
        (0..self.count).map(|i| make(self.from + span * i, span)).collect()
    }
}

#[cfg(test)]
mod tests;
