//! What a [`History`] answers: sums, series, groups, and what comes due.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::{HISTORY_MINUTES, History};
use crate::clock::Timestamp;
use crate::names::{QueueName, TaskName};
use crate::stats::group_failures::GroupFailures;
use crate::stats::time_bucket::TimeBucket;
use crate::stats::{Counts, ErrorGroup, GroupId, Minute, Totals};

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

impl History {
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
}

/// The first whole minute of the last `window`.
fn first_of(window: Duration, now: Timestamp) -> Minute {
    Minute::of(now.saturating_sub(window) + Duration::from_millis(Minute::MS - 1))
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
