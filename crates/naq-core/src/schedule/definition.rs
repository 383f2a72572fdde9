//! [`Schedule`]: the definition of a recurring schedule.

use std::collections::VecDeque;
use std::time::Duration;

use super::options::MAX_CATCH_UP;
use super::{CatchUp, JobTemplate, Overlap, Progress, ScheduleFault, When, Zone};
use crate::clock::{Timestamp, millis_up};
use crate::names::ScheduleName;
use crate::retry::RetryPolicy;

/// The shortest interval. The timer of a broker is exact to a quarter of a second, and each tick costs
/// some requests. Use a loop inside a job for work that must run more often.
pub const MIN_EVERY: Duration = Duration::from_millis(200);

/// How far back the first search for ticks goes. If it finds few, the next search goes further back.
const FIRST_SEARCH: Duration = Duration::from_secs(600);

/// A recurring job: when it runs, and the job itself. Name, times and job are required; the other
/// fields have defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The name, unique among schedules.
    pub name: ScheduleName,
    /// When it ticks: a cron expression or an interval.
    pub when: When,
    /// The time zone of a cron expression; UTC by default.
    pub time_zone: Zone,
    /// There is no tick before this time. An interval starts with a tick at this time. None by default.
    pub start: Option<Timestamp>,
    /// There is no tick after this time; none by default.
    pub end: Option<Timestamp>,
    /// The most runs; no limit by default.
    pub max_runs: Option<u64>,
    /// Each run starts up to this much later than its tick; zero by default.
    pub jitter: Duration,
    /// What happens to ticks that were missed in an outage.
    pub catch_up: CatchUp,
    /// What happens to a tick while the last run has not ended.
    pub overlap: Overlap,
    /// A run expires if it has not started within this time after its tick; no limit by default.
    pub start_within: Option<Duration>,
    /// Whether the schedule is paused. Ticks make no runs until it is resumed.
    pub paused: bool,
    /// When the schedule was created. An interval without `start` is counted from this time.
    pub created_at: Timestamp,
    /// The job that runs.
    pub job: JobTemplate,
}

impl Schedule {
    /// A schedule with defaults for all fields that are not parameters.
    pub fn new(name: ScheduleName, when: When, job: JobTemplate, now: Timestamp) -> Self {
        Self {
            name,
            when,
            time_zone: Zone::default(),
            start: None,
            end: None,
            max_runs: None,
            jitter: Duration::ZERO,
            catch_up: CatchUp::default(),
            overlap: Overlap::default(),
            start_within: None,
            paused: false,
            created_at: now,
            job,
        }
    }

    /// Checks the fields together.
    ///
    /// # Errors
    /// [`ScheduleFault::Option`] if a field is out of range, or the schedule would never tick.
    pub fn check(&self) -> Result<(), ScheduleFault> {
        let fault = |what: String| Err(ScheduleFault::Option(what));
        let longest = RetryPolicy::MAX_DURATION;
        if let When::Every(every) = &self.when
            && !(MIN_EVERY..=longest).contains(every)
        {
            return fault(format!("every {every:?}: use 200ms to 3650d"));
        }
        if self.max_runs == Some(0) {
            return fault("max_runs is zero: leave it out for no limit".into());
        }
        if self.jitter > longest {
            return fault(format!("jitter {:?}: use at most 3650d", self.jitter));
        }
        if self.start_within.is_some_and(|within| within.is_zero() || within > longest) {
            return fault("start_within: use 1ms to 3650d, or leave it out for no limit".into());
        }
        if let (Some(start), Some(end)) = (self.start, self.end)
            && end < start
        {
            return fault(format!("it ends at {end}, before it starts at {start}"));
        }
        match self.next_after(Timestamp::default()) {
            Some(_) => Ok(()),
            None => fault(format!("{} never comes between start and end", self.when)),
        }
    }

    /// Whether both schedules tick at the same times.
    pub fn same_times(&self, other: &Self) -> bool {
        let times = |s: &Self| (s.when.clone(), s.time_zone.clone(), s.start, s.end);
        times(self) == times(other)
    }

    /// The first tick after `after`, without regard to progress. `None` if there is none.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let before = |t: Timestamp| Timestamp::from_millis(t.as_millis().saturating_sub(1));
        let after = self.start.map_or(after, |start| after.max(before(start)));
        let next = match &self.when {
            When::Cron(cron) => cron.next_after(after, &self.time_zone)?,
            When::Every(every) => {
                // Without a start, the first tick comes one interval after the creation.
                let (anchor, first) = match self.start {
                    Some(start) => (start, 0),
                    None => (self.created_at, 1),
                };
                let anchor = anchor.as_millis();
                let every = millis_up(*every).max(1);
                let passed = after.as_millis().checked_sub(anchor);
                let n = passed.map_or(first, |passed| (passed / every + 1).max(first));
                Timestamp::from_millis(anchor.saturating_add(n.saturating_mul(every)))
            }
        };
        // `Timestamp::MAX` stands for a time that is too late to be written. It is not a tick.
        (next < Timestamp::MAX && self.end.is_none_or(|end| next <= end)).then_some(next)
    }

    /// The ticks after `after` and up to `until`, at most the last [`MAX_CATCH_UP`].
    pub fn ticks(&self, after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let mut search = FIRST_SEARCH;
        loop {
            let from = after.max(until.saturating_sub(search));
            let mut ticks = VecDeque::new();
            let mut last = from;
            while let Some(tick) = self.next_after(last).filter(|tick| *tick <= until) {
                ticks.push_back(tick);
                if ticks.len() > MAX_CATCH_UP {
                    ticks.pop_front();
                }
                last = tick;
            }
            if from == after || ticks.len() == MAX_CATCH_UP {
                return ticks.into();
            }
            search *= 8;
        }
    }

    /// How many runs may still be made.
    pub fn runs_left(&self, progress: &Progress) -> u64 {
        self.max_runs.map_or(u64::MAX, |max| max.saturating_sub(progress.runs))
    }

    /// Whether no further tick will make a run.
    pub fn is_finished(&self, progress: &Progress) -> bool {
        self.runs_left(progress) == 0
            || (progress.waiting.is_none() && self.next_after(progress.decided_until).is_none())
    }
}
