//! [`History`]: the last day, folded from the reports of all workers.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use super::slot::{Failures, Slot};
use super::{Counts, ErrorGroup, GroupId, Minute, StatsReport, Totals};
use crate::clock::Timestamp;
use crate::names::{QueueName, TaskName, WorkerId};

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
    reports: HashMap<(WorkerId, Minute), StatsReport>,
    groups: HashMap<GroupId, ErrorGroup>,
    due: BTreeMap<u64, HashMap<(QueueName, TaskName), u64>>,
    pulse: VecDeque<Pulse>,
    began: Option<Minute>,
    ignored: u64,
}

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
    /// Takes a report over, in place of an older one of the same worker and minute. What is older
    /// than a day, or from a clock far ahead, is only counted as ignored.
    pub fn apply(&mut self, report: StatsReport, now: Timestamp) {
        let this = Minute::of(now);
        let began = *self.began.get_or_insert(this);
        let minute = report.minute;
        if minute.0 > this.0 + AHEAD || minute.0 + KEPT < this.0 {
            self.ignored += 1;
            return;
        }
        let key = (report.worker.clone(), minute);
        let old = self.reports.remove(&key);
        if old.as_ref().is_some_and(|old| old.written_at > report.written_at) {
            self.reports.extend(old.map(|old| (key, old)));
            return;
        }
        // What a process has missed before it began to look did not happen in this second.
        if old.is_some() || minute >= began {
            self.beat(&report, old.as_ref(), now);
        }
        let slot = self.slots.entry(slot_of(minute, this)).or_default();
        if let Some(old) = &old {
            slot.remove(old);
            comes_due(&mut self.due, old, u64::saturating_sub);
        }
        slot.add(&report);
        comes_due(&mut self.due, &report, u64::saturating_add);
        for error in &report.errors {
            let none = || ErrorGroup { rules: BTreeMap::new(), ..error.clone() };
            let group = self.groups.entry(error.id()).or_insert_with(none);
            group.learn(error, &report.version);
            group.last_at = group.last_at.min(now);
            let before = old.as_ref().and_then(|old| same_group(old, error));
            for (rule, n) in before.iter().flat_map(|before| &before.rules) {
                group.rules.entry(*rule).and_modify(|all| *all = all.saturating_sub(*n));
            }
            for (rule, n) in &error.rules {
                *group.rules.entry(*rule).or_default() += n;
            }
        }
        if minute.0 + REPLACEABLE > this.0 {
            self.reports.insert(key, report);
        }
    }

    fn beat(&mut self, report: &StatsReport, old: Option<&StatsReport>, now: Timestamp) {
        let sum = |report: &StatsReport| {
            let mut sum = Counts::default();
            report.tasks.iter().for_each(|stats| sum.add(&stats.counts));
            sum
        };
        let mut new = sum(report);
        if let Some(old) = old {
            new.remove(&sum(old));
        }
        // A clock that is ahead must not leave seconds behind that never pass.
        let second = report.written_at.min(now).as_millis() / 1_000;
        let at = self.pulse.partition_point(|pulse| pulse.second < second);
        if self.pulse.get(at).is_none_or(|pulse| pulse.second != second) {
            let none = Pulse { second, starts: 0, retries: 0, completed: 0, failed: 0 };
            self.pulse.insert(at, none);
        }
        let pulse = &mut self.pulse[at];
        pulse.starts += new.starts.total();
        pulse.retries += new.retry_starts();
        pulse.completed += new.completed.total();
        pulse.failed += new.failed();
    }

    /// Forgets what is too old, and folds what is old. To be called now and then: once a second does.
    pub fn advance(&mut self, now: Timestamp) {
        let this = Minute::of(now);
        self.slots.retain(|minute, _| minute.0 + KEPT >= this.0);
        let coarse: Vec<_> =
            self.slots.keys().copied().filter(|m| slot_of(*m, this) != *m).collect();
        for minute in coarse {
            if let Some(slot) = self.slots.remove(&minute) {
                self.slots.entry(slot_of(minute, this)).or_default().absorb(slot);
            }
        }
        self.reports.retain(|(_, minute), _| minute.0 + REPLACEABLE > this.0);
        self.due = self.due.split_off(&(now.as_millis() / Counts::DUE_SLOT_MS));
        let second = now.as_millis() / 1_000;
        self.pulse.retain(|pulse| pulse.second + PULSE > second);
        let kept = Minute(this.0.saturating_sub(KEPT)).start();
        self.groups.retain(|_, group| group.last_at >= kept);
        if self.groups.len() > MAX_GROUPS {
            let mut ages: Vec<_> = self.groups.iter().map(|(id, g)| (g.last_at, *id)).collect();
            ages.sort_unstable();
            for (_, id) in &ages[..ages.len() - MAX_GROUPS] {
                self.groups.remove(id);
            }
        }
    }

    fn since(&self, window: Duration, now: Timestamp) -> impl Iterator<Item = (&Minute, &Slot)> {
        let from = Minute::of(now.saturating_sub(window) + Duration::from_millis(Minute::MS - 1));
        self.slots.range(from..)
    }

    /// What was counted in the last `window`, in whole slots: of a minute for the last two hours, of
    /// ten before.
    pub fn totals(&self, window: Duration, now: Timestamp) -> Totals {
        let mut totals = Totals::default();
        self.since(window, now).for_each(|(_, slot)| slot.add_to(&mut totals));
        totals
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
                    *starts += counts.starts.total();
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
                    *n += failures.count;
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
        self.since(window, now).map(|(_, slot)| slot.other_errors).sum()
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
                let n = tasks.iter().filter(|(key, _)| fits(key)).map(|(_, n)| n).sum();
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
        let mut due = BTreeMap::new();
        for (key, n) in self.due_within(ahead, now).flat_map(|(_, tasks)| tasks) {
            match due.get_mut(key) {
                Some(all) => *all += n,
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

    /// Reports that were not believed: older than a day, or from a clock far ahead.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }
}

fn same_group<'a>(report: &'a StatsReport, group: &ErrorGroup) -> Option<&'a ErrorGroup> {
    let id = group.id();
    report.errors.iter().find(|other| other.id() == id)
}

fn comes_due(
    due: &mut BTreeMap<u64, HashMap<(QueueName, TaskName), u64>>,
    report: &StatsReport,
    count: fn(u64, u64) -> u64,
) {
    let slots = |minute: u64| minute * (Minute::MS / Counts::DUE_SLOT_MS);
    // What is due later than it is remembered here would be forgotten by whoever starts anew.
    let near = slots(report.minute.0)..slots(report.minute.0 + KEPT);
    for stats in &report.tasks {
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
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::names::JobId;
    use crate::retry::Rule;
    use crate::stats::{Ending, Observation, ObservedError, Run, Tally};
    use crate::transport::JobKey;

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

        fn tells(&mut self, now: Timestamp) {
            for it in self.tally.unwritten(&self.worker, "1.2.3", now) {
                self.tally.written(&it);
                self.history.apply(it.report, now);
            }
            self.history.advance(now);
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
        assert!(teller.history.slots.len() < 300, "{}", teller.history.slots.len());
        assert!(teller.history.reports.len() <= REPLACEABLE as usize);
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
                error.jobs =
                    (0..100).map(|_| JobKey { id: JobId::random(), ..job.clone() }).collect();
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
        let one: u64 =
            history.due(Some(&key.0), Some(&key.1), hour, now).iter().map(|it| it.1).sum();
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
}
