//! A schedule whose progress lies in the future: a clock was wrong, and is right again.

use std::time::Duration;

use super::{Progress, ScheduleEntry};
use crate::clock::Timestamp;

/// Progress that is at most this far in the future is left as it is. Two processes read the broker's
/// clock at slightly different times, and a tick that is decided must not be decided again.
const TOLERANCE: Duration = Duration::from_secs(60);

impl ScheduleEntry {
    /// Sets progress that lies in the future back to `now`. Returns whether it had to.
    ///
    /// While the broker's clock was ahead, ticks up to that time were decided. Without this, the
    /// schedule would make no run before that time comes. Ticks before `now` make no runs: which of
    /// them were decided before the clock was wrong is not known.
    pub fn set_back(&mut self, now: Timestamp) -> bool {
        let is_ahead = |at: Timestamp| at.since(now) > TOLERANCE;
        let mut set = false;
        if is_ahead(self.progress.decided_until) {
            self.progress.decided_until = Progress::new(now).decided_until;
            set = true;
        }
        if self.progress.waiting.is_some_and(is_ahead) {
            self.progress.waiting = None;
            set = true;
        }
        // An interval counts from its creation.
        if is_ahead(self.schedule.created_at) {
            self.schedule.created_at = now;
            set = true;
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{JobId, QueueName, ScheduleName, TaskName};
    use crate::schedule::{JobTemplate, Schedule, Seen, When, turn};
    use crate::wire::{Codec, Envelope, Payload};

    const HOUR: Duration = Duration::from_secs(3600);
    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn entry(created_at: Timestamp, decided_until: Timestamp) -> ScheduleEntry {
        let task = TaskName::new("t").expect("a name");
        let args = Payload::null(Codec::Json);
        let job = Envelope::new(QueueName::default(), JobId::random(), task, args, created_at);
        let name = ScheduleName::new("hourly").expect("a name");
        let job = JobTemplate::new(job).expect("a template");
        let mut entry = ScheduleEntry::new(Schedule::new(name, When::Every(HOUR), job, created_at));
        entry.progress.decided_until = decided_until;
        entry
    }

    #[test]
    fn progress_in_the_future_is_set_back_and_the_next_tick_is_due_in_time() {
        // The clock was a year ahead while ticks were decided, or already when the schedule was made.
        let (before, ahead) = (NOW.saturating_sub(HOUR * 9 / 2), NOW + HOUR * 24 * 365);
        let (half, whole) = (NOW + HOUR / 2, NOW + HOUR);
        for (mut entry, next) in [(entry(before, ahead), half), (entry(ahead, ahead), whole)] {
            assert!(entry.schedule.look_again(&entry.progress, NOW) > Some(NOW + HOUR * 24));
            entry.progress.waiting = Some(ahead);
            assert!(entry.set_back(NOW));
            assert!(!entry.set_back(NOW), "once is enough");
            assert_eq!(entry.schedule.due(&entry.progress, NOW), []);
            let turn = turn(&entry.schedule, &entry.progress, &[], &Seen::default(), NOW);
            assert_eq!(turn.next, Some(next), "an interval of an hour");
            assert_eq!(entry.schedule.due(&entry.progress, next), [next]);
        }
    }

    #[test]
    fn progress_that_another_process_has_just_made_is_left_as_it_is() {
        for ahead in [Duration::ZERO, Duration::from_millis(200), TOLERANCE] {
            let mut entry = entry(NOW.saturating_sub(HOUR), NOW + ahead);
            let before = entry.clone();
            assert!(!entry.set_back(NOW));
            assert_eq!(entry, before);
        }
    }
}
