//! [`turn`]: what a schedule does now.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{CatchUp, LastRun, Overlap, Progress, Schedule, Tick};
use crate::clock::Timestamp;
use crate::names::JobKey;

/// A tick that is at most this late counts as on time. The time is long enough for another worker to
/// take over if a worker crashes during a tick.
pub const ON_TIME: Duration = Duration::from_secs(60);
/// While a run waits, the schedule checks whether the last run has ended. This is the shortest time
/// between two such checks.
const SHORTEST_CHECK: Duration = Duration::from_secs(1);
/// The longest time between two such checks.
const LONGEST_CHECK: Duration = Duration::from_secs(30);

/// What is known about runs before a turn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// The due or waiting ticks whose run exists already, with the key of that job. A worker has enqueued
    /// the run, and crashed before it stored the progress.
    pub begun: BTreeMap<Timestamp, JobKey>,
    /// Whether the last run, or one of the runs in `begun`, has not ended.
    pub running: bool,
}

/// What a schedule does now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The ticks to make runs for, oldest first.
    pub runs: Vec<Tick>,
    /// How many ticks make no run.
    pub skipped: u64,
    /// When the next turn is due. `None` if there is none.
    pub next: Option<Timestamp>,
    /// The progress after the runs are made.
    pub progress: Progress,
}

/// Decides what a schedule does now. `due` has the ticks since the last turn ([`Schedule::due`]), and
/// `seen` says what is known about them and the last run.
///
/// First [`CatchUp`] selects among the ticks, then [`Overlap`] removes those that would run beside
/// another run, and `max_runs` bounds the rest. A tick whose run exists already always counts as made, so
/// that the same turn taken twice has the same result.
pub fn turn(
    schedule: &Schedule,
    progress: &Progress,
    due: &[Timestamp],
    seen: &Seen,
    now: Timestamp,
) -> Turn {
    let mut after = progress.clone();
    if schedule.paused {
        return Turn { runs: Vec::new(), skipped: 0, next: None, progress: after };
    }
    if let Some(last) = due.last() {
        after.decided_until = after.decided_until.max(*last);
    }
    let all = due.len() as u64 + u64::from(after.waiting.is_some());
    let waiting = after.waiting.take();
    // The runs in former queues are in `seen`.
    after.former_queues.clear();

    let (begun, fresh): (Vec<_>, Vec<_>) = waiting
        .into_iter()
        .chain(due.iter().copied())
        .partition(|tick| seen.begun.contains_key(tick));
    for tick in &begun {
        after.record_run(seen.begun[tick].clone(), *tick);
    }
    let fresh = fresh.into_iter().filter(|tick| {
        let last = due.last() == Some(tick);
        Some(*tick) == waiting
            || match schedule.catch_up {
                CatchUp::All => true,
                CatchUp::Last => last,
                CatchUp::Skip => last && now.since(*tick) <= ON_TIME,
            }
    });
    let mut fresh = fresh.take(usize::try_from(schedule.runs_left(&after)).unwrap_or(usize::MAX));

    let free = !seen.running;
    let runs: Vec<Timestamp> = match schedule.overlap {
        Overlap::Allow => fresh.collect(),
        Overlap::Skip => fresh.next().filter(|_| free).into_iter().collect(),
        Overlap::Queue => {
            let run = if free { fresh.next() } else { None };
            after.waiting = fresh.next();
            run.into_iter().collect()
        }
    };
    for tick in &runs {
        after.record_run(schedule.run_key(*tick), *tick);
    }
    let made = (begun.len() + runs.len()) as u64;
    // Ticks after the last run of all are beyond the schedule, and not skipped.
    let last_made = runs.iter().chain(&begun).max();
    let is_beyond = |tick: &&Timestamp| Some(*tick) > last_made;
    let beyond = match schedule.runs_left(&after) {
        0 => due.iter().filter(is_beyond).count() as u64,
        _ => 0,
    };
    let skipped = all - made - u64::from(after.waiting.is_some()) - beyond;
    after.skipped = after.skipped.saturating_add(skipped);
    let runs = runs.into_iter().map(|tick| schedule.tick(tick)).collect();
    Turn { runs, skipped, next: schedule.look_again(&after, now), progress: after }
}

impl Progress {
    fn record_run(&mut self, job: JobKey, tick: Timestamp) {
        self.runs = self.runs.saturating_add(1);
        self.last = Some(LastRun { job, tick });
    }
}

impl Schedule {
    /// The ticks that are due and not decided, at most the last
    /// [`MAX_CATCH_UP`](super::MAX_CATCH_UP).
    pub fn due(&self, progress: &Progress, now: Timestamp) -> Vec<Timestamp> {
        if self.paused || self.runs_left(progress) == 0 {
            return Vec::new();
        }
        self.ticks(progress.decided_until, now)
    }

    /// When the next turn is due: at the next undecided tick, or soon if a run waits for another run to
    /// end. `None` if there is none.
    pub fn look_again(&self, progress: &Progress, now: Timestamp) -> Option<Timestamp> {
        if self.paused || self.runs_left(progress) == 0 {
            return None;
        }
        let tick = self.next_after(progress.decided_until);
        // Each check costs some requests, so checks get rarer while a run waits.
        let check = progress
            .waiting
            .map(|since| now + (now.since(since) / 10).clamp(SHORTEST_CHECK, LONGEST_CHECK));
        tick.into_iter().chain(check).min()
    }
}
