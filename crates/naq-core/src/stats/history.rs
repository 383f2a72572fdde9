//! [`History`]: the last day, folded from the reports of all workers.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::slot::{Failures, Slot};
use super::told::Told;
use super::{Counts, ErrorGroup, GroupId, MAX_ERROR_GROUPS, Minute, StatsReport, Totals};
use crate::clock::Timestamp;
use crate::names::{QueueName, TaskName};

/// How far back it goes, in minutes: a day.
const KEPT: u64 = 24 * 60;
/// For so many minutes each minute is kept apart; before that [`COARSE`] of them together.
const FINE: u64 = 130;
const COARSE: u64 = 10;
/// A report may be replaced for as long as its worker keeps it unsent, and a little longer.
const REPLACEABLE: u64 = super::UNSENT_MINUTES as u64 + 5;
/// A worker whose clock is further ahead than this is not believed.
const AHEAD: u64 = 5;
/// Error groups that are told apart; of more, those seen longest ago go.
const MAX_GROUPS: usize = 2_000;
/// Seconds of [`Pulse`].
const PULSE: u64 = 120;

/// What all workers have told in the last day. Bounded: it grows with tasks and error groups, not
/// with jobs.
#[derive(Debug, Default)]
pub struct History {
    /// By their first minute.
    slots: BTreeMap<Minute, Slot>,
    /// When each report was written, so that one that is read twice counts once.
    written: BTreeMap<Source, Timestamp>,
    /// Those that may still be replaced.
    told: BTreeMap<Source, Told>,
    hasher: RandomState,
    groups: HashMap<GroupId, ErrorGroup>,
    due: BTreeMap<u64, HashMap<(QueueName, TaskName), u64>>,
    pulse: VecDeque<Pulse>,
    began: Option<Minute>,
    /// What is older than this allows has been folded and forgotten.
    advanced: Minute,
    ignored: u64,
}

/// A minute, and a hash of who counted it.
type Source = (Minute, u64);

/// What was told in one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// The second, from the epoch.
    pub second: u64,
    /// Attempts started.
    pub starts: u64,
    /// Of those, retries.
    pub retries: u64,
    /// Jobs completed.
    pub completed: u64,
    /// Attempts failed.
    pub failed: u64,
}

/// A stretch of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// When it begins.
    pub at: Timestamp,
    /// How long it is.
    pub span: Duration,
    /// What was counted in it.
    pub counts: Counts,
}

/// An error group over a stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupHistory {
    /// The group, with the counts of that stretch.
    pub group: ErrorGroup,
    /// Failures by time, without gaps, oldest first.
    pub points: Vec<(Timestamp, u64)>,
}

/// The first minute of the slot that keeps `minute` at `now`.
fn slot_of(minute: Minute, now: Minute) -> Minute {
    match minute.0 + FINE > now.0 {
        true => minute,
        false => Minute(minute.0 - minute.0 % COARSE),
    }
}

impl History {
    /// Takes a report over, in place of an older one of the same process and minute; one that is not
    /// newer changes nothing, so that all of them can be read again. What is older than a day, from a
    /// clock far ahead, or too late to replace another, is only counted as ignored.
    pub fn apply(&mut self, mut report: StatsReport, now: Timestamp) {
        let this = Minute::of(now);
        let began = *self.began.get_or_insert(this);
        // Whatever this replaces is looked for where it belongs by now.
        if this > self.advanced {
            self.advance(now);
        }
        let minute = report.minute;
        if minute.0 > this.0 + AHEAD || minute.0 + KEPT < this.0 {
            self.ignored += 1;
            return;
        }
        let source = (minute, self.hasher.hash_one((&report.worker, &report.process)));
        if self.written.get(&source).is_some_and(|at| *at >= report.written_at) {
            return;
        }
        let old = self.told.remove(&source);
        if self.written.insert(source, report.written_at).is_some() && old.is_none() {
            self.ignored += 1;
            return;
        }
        report.fold_errors(MAX_ERROR_GROUPS);
        report.errors.iter_mut().for_each(ErrorGroup::bound);
        let told = Told::of(&report);
        // What a process has missed before it began to look did not happen in this second.
        if old.is_some() || minute >= began {
            self.beat(report.written_at, &told, old.as_ref(), now);
        }
        let slot = self.slots.entry(slot_of(minute, this)).or_default();
        if let Some(old) = &old {
            slot.remove(old);
            comes_due(&mut self.due, minute, old, u64::saturating_sub);
            for (id, share) in &old.errors {
                self.groups.entry(*id).and_modify(|group| share.take_from(&mut group.rules));
            }
        }
        slot.add(&told);
        comes_due(&mut self.due, minute, &told, u64::saturating_add);
        for ((id, share), error) in told.errors.iter().zip(&report.errors) {
            let none = || ErrorGroup { rules: BTreeMap::new(), ..error.clone() };
            let group = self.groups.entry(*id).or_insert_with(none);
            group.learn(error, &report.version);
            group.last_at = group.last_at.min(now);
            share.add_to(&mut group.rules);
        }
        // While a whole day is read nothing else forgets.
        if self.groups.len() > 2 * MAX_GROUPS {
            self.forget_groups();
        }
        if minute.0 + REPLACEABLE > this.0 {
            self.told.insert(source, told);
        }
    }

    fn beat(&mut self, written_at: Timestamp, told: &Told, old: Option<&Told>, now: Timestamp) {
        let mut new = told.sum();
        if let Some(old) = old {
            new.remove(&old.sum());
        }
        // A clock that is ahead must not leave seconds behind that never pass.
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

    /// Forgets what is too old, and folds what is old. To be called now and then: once a second does.
    pub fn advance(&mut self, now: Timestamp) {
        let this = Minute::of(now);
        self.advanced = this;
        self.slots.retain(|minute, _| minute.0 + KEPT >= this.0);
        let coarse: Vec<_> =
            self.slots.keys().copied().filter(|m| slot_of(*m, this) != *m).collect();
        for minute in coarse {
            if let Some(slot) = self.slots.remove(&minute) {
                self.slots.entry(slot_of(minute, this)).or_default().absorb(slot);
            }
        }
        forget(&mut self.told, this.0.saturating_sub(REPLACEABLE - 1));
        forget(&mut self.written, this.0.saturating_sub(KEPT));
        self.due = self.due.split_off(&(now.as_millis() / Counts::DUE_SLOT_MS));
        let second = now.as_millis() / 1_000;
        self.pulse.retain(|pulse| pulse.second + PULSE > second);
        let kept = Minute(this.0.saturating_sub(KEPT)).start();
        self.groups.retain(|_, group| group.last_at >= kept);
        if self.groups.len() > MAX_GROUPS {
            self.forget_groups();
        }
    }

    /// Those seen longest ago, but for the newest.
    fn forget_groups(&mut self) {
        let mut ages: Vec<_> = self.groups.iter().map(|(id, g)| (g.last_at, *id)).collect();
        ages.sort_unstable();
        for (_, id) in &ages[..ages.len().saturating_sub(MAX_GROUPS)] {
            self.groups.remove(id);
        }
        let known = &self.groups;
        self.slots.values_mut().for_each(|slot| slot.keep_groups(|id| known.contains_key(id)));
    }

    fn since(&self, window: Duration, now: Timestamp) -> impl Iterator<Item = (&Minute, &Slot)> {
        self.slots.range(first_of(window, now)..)
    }

    /// What was counted in the last `window`, in whole slots: of a minute for the last two hours, of
    /// ten before.
    pub fn totals(&self, window: Duration, now: Timestamp) -> Totals {
        let mut totals = Totals::default();
        self.since(window, now).for_each(|(_, slot)| slot.add_to(&mut totals));
        totals
    }

    /// What [`totals`](Self::totals) of `window` has more than those of `recent`: changes about once
    /// a minute.
    pub fn totals_before(&self, recent: Duration, window: Duration, now: Timestamp) -> Totals {
        let mut totals = Totals::default();
        let before = first_of(window.max(recent), now)..first_of(recent, now);
        self.slots.range(before).for_each(|(_, slot)| slot.add_to(&mut totals));
        totals
    }

    /// The minute of the oldest report: of what was before it nothing is known. None without any.
    pub fn known_since(&self) -> Option<Timestamp> {
        self.written.keys().next().map(|(minute, _)| minute.start())
    }

    /// The numbers of `queue` and `task`, or of all, over the last `window`: `points` stretches of
    /// equal length, oldest first.
    pub fn series(
        &self,
        queue: Option<&QueueName>,
        task: Option<&TaskName>,
        window: Duration,
        points: u32,
        now: Timestamp,
    ) -> Vec<Point> {
        let stretches = Stretches::new(window, points, now);
        let mut series: Vec<_> =
            stretches.empty(|at, span| Point { at, span, counts: Counts::default() });
        for (minute, slot) in self.slots.range(Minute::of(stretches.from)..) {
            let Some(point) = series.get_mut(stretches.index(*minute)) else { continue };
            for ((of_queue, of_task), counts) in &slot.tasks {
                if queue.is_none_or(|q| q == of_queue) && task.is_none_or(|t| t == of_task) {
                    point.counts.add(counts);
                }
            }
        }
        series
    }

    /// The attempts started in each queue over the last `window`: as [`series`](Self::series) has
    /// them, of all queues in one pass.
    pub fn starts_by_queue(
        &self,
        window: Duration,
        points: u32,
        now: Timestamp,
    ) -> HashMap<QueueName, Vec<u64>> {
        let stretches = Stretches::new(window, points, now);
        let mut queues: HashMap<QueueName, Vec<u64>> = HashMap::new();
        for (minute, slot) in self.slots.range(Minute::of(stretches.from)..) {
            let point = stretches.index(*minute);
            for ((queue, _), counts) in &slot.tasks {
                if !queues.contains_key(queue) {
                    queues.insert(queue.clone(), stretches.empty(|_, _| 0));
                }
                if let Some(starts) = queues.get_mut(queue).and_then(|all| all.get_mut(point)) {
                    *starts = starts.saturating_add(counts.starts.total());
                }
            }
        }
        queues
    }

    /// The error groups of the last `window`, the most frequent first, each with its failures in
    /// `points` stretches.
    pub fn groups(&self, window: Duration, points: u32, now: Timestamp) -> Vec<GroupHistory> {
        let stretches = Stretches::new(window, points, now);
        let mut found: HashMap<GroupId, (Failures, Vec<(Timestamp, u64)>)> = HashMap::new();
        for (minute, slot) in self.slots.range(Minute::of(stretches.from)..) {
            for (id, failures) in slot.errors.iter().filter(|(_, f)| f.count > 0) {
                let none = || (Failures::default(), stretches.empty(|at, _| (at, 0)));
                let (sum, series) = found.entry(*id).or_insert_with(none);
                sum.add(*failures);
                if let Some((_, n)) = series.get_mut(stretches.index(*minute)) {
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
            let of = |it: &GroupHistory| (it.group.count, it.group.last_at, it.group.id());
            of(b).cmp(&of(a))
        });
        groups
    }

    /// Failures of the last `window` that belong to no group that is told apart.
    pub fn other_errors(&self, window: Duration, now: Timestamp) -> u64 {
        let others = self.since(window, now).map(|(_, slot)| slot.other_errors);
        others.fold(0, u64::saturating_add)
    }

    /// What is known of a group.
    pub fn group(&self, id: GroupId) -> Option<&ErrorGroup> {
        self.groups.get(&id)
    }

    /// How many retries come due from now on within `ahead`, as they were decided, by slots of
    /// [`Counts::DUE_SLOT_MS`]: a job that was cancelled, released or moved since still counts, and
    /// one that waits for longer than a day does not.
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

    /// The same, by queue and task, in one pass.
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

    /// The last two minutes by the second, oldest first; a second without news is left out.
    pub fn pulse(&self) -> impl Iterator<Item = &Pulse> + '_ {
        self.pulse.iter()
    }

    /// Reports that were not believed: older than a day, from a clock far ahead, or too late to
    /// replace another.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }
}

/// The first whole minute of the last `window`.
fn first_of(window: Duration, now: Timestamp) -> Minute {
    Minute::of(now.saturating_sub(window) + Duration::from_millis(Minute::MS - 1))
}

/// Drops what was told of minutes before `from`.
fn forget<T>(told: &mut BTreeMap<Source, T>, from: u64) {
    while told.first_key_value().is_some_and(|((minute, _), _)| minute.0 < from) {
        told.pop_first();
    }
}

fn comes_due(
    due: &mut BTreeMap<u64, HashMap<(QueueName, TaskName), u64>>,
    minute: Minute,
    told: &Told,
    count: fn(u64, u64) -> u64,
) {
    let slots = |minute: u64| minute * (Minute::MS / Counts::DUE_SLOT_MS);
    // What is due later than it is remembered here would be forgotten by whoever starts anew.
    let near = slots(minute.0)..slots(minute.0 + KEPT);
    for stats in &told.tasks {
        for (slot, n) in stats.counts.due.iter().filter(|(slot, _)| near.contains(slot)) {
            let key = (stats.queue.clone(), stats.task.clone());
            let all = due.entry(*slot).or_default().entry(key).or_default();
            *all = count(*all, *n);
        }
    }
}

/// A window cut into stretches of whole minutes that end with the current one.
struct Stretches {
    from: Timestamp,
    width: u64,
    count: u32,
}

impl Stretches {
    fn new(window: Duration, points: u32, now: Timestamp) -> Self {
        let minutes = (window.as_secs() / 60).clamp(1, KEPT);
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
