//! [`StoredSchedule`]: the entry of a schedule, with its revision.

use naq_core::schedule::ScheduleEntry;

/// The entry of a schedule as it was read.
pub(super) struct StoredSchedule {
    pub(super) entry: ScheduleEntry,
    pub(super) revision: u64,
}
