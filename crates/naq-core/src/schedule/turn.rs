//! [`turn`]: the whole decision of a tick.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{CatchUp, LastRun, Overlap, Progress, Schedule, Tick};
use crate::clock::Timestamp;
use crate::names::JobKey;

/// A tick that is no later than this counts as on time. Long enough for a worker that dies while it
/// makes the tick, and for the next to take over.
pub const ON_TIME: Duration = Duration::from_secs(60);
/// How soon, and how late, it is looked whether the run has ended that another waits for.
const LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What is known of runs before a turn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Ticks, of those that are due or wait, whose run has been made already: by a worker that died
    /// before it could say so. And which job that is.
    pub begun: BTreeMap<Timestamp, JobKey>,
    /// Whether the last run, or one of those, has not ended.
    pub running: bool,
}

/// What a schedule does now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The runs to make, oldest tick first.
    pub runs: Vec<Tick>,
    /// Ticks that make none.
    pub skipped: u64,
    /// When to look again; none when nothing is to come.
    pub next: Option<Timestamp>,
    /// How far it has come, once the runs are made.
    pub progress: Progress,
}

/// Decides what a schedule does now. `due` are the ticks since the last turn
/// ([`Schedule::due`]), and `seen` is what is known of them and of the last run.
///
/// Catch-up picks among the ticks, then overlap sorts out those that would meet a run, and
/// `max_runs` ends it all. A tick whose run has been made counts as made, whatever else would have
/// been decided now: the same turn taken twice comes to the same end.
pub fn turn(
    schedule: &Schedule,
    progress: &Progress,
    due: &[Timestamp],
    seen: &Seen,
    now: Timestamp,
) -> Turn {
    let mut next = progress.clone();
    if schedule.paused {
        return Turn { runs: Vec::new(), skipped: 0, next: None, progress: next };
    }
    if let Some(last) = due.last() {
        next.decided_until = next.decided_until.max(*last);
    }
    let all = due.len() as u64 + u64::from(next.waiting.is_some());
    let waiting = next.waiting.take();
    // Whatever was made there is seen.
    next.former_queues.clear();

    let (begun, fresh): (Vec<_>, Vec<_>) = waiting
        .into_iter()
        .chain(due.iter().copied())
        .partition(|tick| seen.begun.contains_key(tick));
    for tick in &begun {
        next.made(seen.begun[tick].clone(), *tick);
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
    let mut fresh = fresh.take(usize::try_from(schedule.runs_left(&next)).unwrap_or(usize::MAX));

    let free = !seen.running;
    let runs: Vec<Timestamp> = match schedule.overlap {
        Overlap::Allow => fresh.collect(),
        Overlap::Skip => fresh.next().filter(|_| free).into_iter().collect(),
        Overlap::Queue => {
            let run = if free { fresh.next() } else { None };
            next.waiting = fresh.next();
            run.into_iter().collect()
        }
    };
    for tick in &runs {
        next.made(schedule.run_key(*tick), *tick);
    }
    let made = (begun.len() + runs.len()) as u64;
    let skipped = all - made - u64::from(next.waiting.is_some());
    next.skipped = next.skipped.saturating_add(skipped);
    let runs = runs.into_iter().map(|tick| schedule.tick(tick)).collect();
    Turn { runs, skipped, next: schedule.look_again(&next, now), progress: next }
}

impl Progress {
    fn made(&mut self, job: JobKey, tick: Timestamp) {
        self.runs = self.runs.saturating_add(1);
        self.last = Some(LastRun { job, tick });
    }
}

impl Schedule {
    /// The ticks that are due and not decided; of too many the last [`MAX_CATCH_UP`].
    pub fn due(&self, progress: &Progress, now: Timestamp) -> Vec<Timestamp> {
        if self.paused || self.runs_left(progress) == 0 {
            return Vec::new();
        }
        self.ticks(progress.decided_until, now)
    }

    /// When it has to be looked at again: at the next tick that is not decided, or soon while a run
    /// waits for another; none when nothing is to come.
    pub fn look_again(&self, progress: &Progress, now: Timestamp) -> Option<Timestamp> {
        if self.paused || self.runs_left(progress) == 0 {
            return None;
        }
        let tick = self.next_after(progress.decided_until);
        // The longer it has waited, the longer it will: a look costs some requests.
        let look =
            progress.waiting.map(|since| now + (now.since(since) / 10).clamp(LOOK.0, LOOK.1));
        tick.into_iter().chain(look).min()
    }
}
