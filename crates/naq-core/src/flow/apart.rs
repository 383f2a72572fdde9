//! [`apart`]: may a job that may have killed a worker start beside the others of its kind? Jobs with
//! crashes come back together, after the death of one worker. If they ran together again, one job that
//! kills its worker would make all of them poison.

use std::time::Duration;

use crate::clock::Timestamp;

/// How long a job with crashes runs before another one may start beside it. Most jobs that kill their
/// worker do so in less time. With a longer time, hour-long jobs of a machine that failed would wait
/// too long for each other.
pub const PROBATION: Duration = Duration::from_secs(30);

/// The crashes of a job that wants to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashedJob {
    /// How many workers have died while they ran it.
    pub crashes: u32,
    /// How many deaths make it poison.
    pub max_crashes: u32,
}

/// A job with crashes that runs in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApartRun {
    /// Its crashes.
    pub job: CrashedJob,
    /// When it started.
    pub since: Timestamp,
}

/// Whether a job with crashes may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// It may start now.
    Start,
    /// It waits until a job ends, or at the latest until then. `None`: until a job ends.
    Wait(Option<Timestamp>),
}

impl CrashedJob {
    /// Whether one more crash makes it poison.
    fn is_last_run(self) -> bool {
        self.crashes.saturating_add(1) >= self.max_crashes
    }
}

impl ApartRun {
    fn probation_ends(&self) -> Timestamp {
        self.since + PROBATION
    }
}

/// Whether `job` may start while these jobs with crashes run in the same process. A job without crashes
/// is never asked about: it starts beside all of them.
///
/// The jobs start one after the other: each runs for [`PROBATION`] before the next one starts. A job that
/// another crash would make poison runs without any other job with crashes, from its start to its end.
/// So the job that kills its workers is alone when it kills for the last time, and those that ran beside
/// it before have a crash to spare.
pub fn apart(job: CrashedJob, running: &[ApartRun], now: Timestamp) -> Apart {
    if running.is_empty() {
        return Apart::Start;
    }
    if job.is_last_run() || running.iter().any(|run| run.job.is_last_run()) {
        return Apart::Wait(None);
    }
    match running.iter().map(ApartRun::probation_ends).max() {
        Some(ends) if ends > now => Apart::Wait(Some(ends)),
        _ => Apart::Start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn job(crashes: u32, max_crashes: u32) -> CrashedJob {
        CrashedJob { crashes, max_crashes }
    }

    fn runs(job: CrashedJob, seconds: u64) -> ApartRun {
        ApartRun { job, since: NOW.saturating_sub(Duration::from_secs(seconds)) }
    }

    #[test]
    fn a_job_with_crashes_starts_while_no_other_runs() {
        assert_eq!(apart(job(1, 3), &[], NOW), Apart::Start);
        assert_eq!(apart(job(2, 3), &[], NOW), Apart::Start);
    }

    #[test]
    fn the_next_one_waits_until_each_has_run_for_a_while() {
        let ends = NOW + Duration::from_secs(20);
        assert_eq!(apart(job(1, 3), &[runs(job(1, 3), 10)], NOW), Apart::Wait(Some(ends)));
        let both = [runs(job(1, 3), 10), runs(job(1, 3), 100)];
        assert_eq!(apart(job(1, 3), &both, NOW), Apart::Wait(Some(ends)));
        assert_eq!(apart(job(1, 3), &[runs(job(1, 3), 30)], NOW), Apart::Start);
    }

    #[test]
    fn a_job_with_one_crash_to_go_runs_without_any_other() {
        assert_eq!(apart(job(2, 3), &[runs(job(1, 3), 3_600)], NOW), Apart::Wait(None));
        assert_eq!(apart(job(1, 3), &[runs(job(2, 3), 3_600)], NOW), Apart::Wait(None));
        // With two crashes in all, the first one is the last warning.
        assert_eq!(apart(job(1, 2), &[runs(job(1, 9), 3_600)], NOW), Apart::Wait(None));
        assert_eq!(apart(job(u32::MAX, u32::MAX), &[runs(job(1, 9), 99)], NOW), Apart::Wait(None));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_wait_endless() {
        let later = ApartRun { job: job(1, 3), since: NOW + Duration::from_secs(5) };
        let ends = NOW + Duration::from_secs(35);
        assert_eq!(apart(job(1, 3), &[later], NOW), Apart::Wait(Some(ends)));
    }
}
