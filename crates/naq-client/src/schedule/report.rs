//! [`ScheduleReport`]: a schedule as an operator sees it.

use naq_core::clock::Timestamp;
use naq_core::names::ScheduleName;
use naq_core::schedule::{Progress, Schedule, ScheduleEntry, Tick};
use naq_core::transport::StateEntry;

use crate::schedule::error::ScheduleError;
use crate::schedule::stored_schedule::StoredSchedule;
use crate::schedule::verbs::Schedules;

/// The state of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScheduleState {
    /// It has a next tick.
    Active,
    /// Its ticks make no runs until it is resumed.
    Paused,
    /// It has made all its runs, or its end has passed.
    Finished,
}

/// A schedule as an operator sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleReport {
    /// Its definition.
    pub schedule: Schedule,
    /// Its progress: which ticks it has handled.
    pub progress: Progress,
    /// Its state.
    pub state: ScheduleState,
    /// When this report was made.
    pub now: Timestamp,
}

impl ScheduleReport {
    /// The next `n` ticks that make a run, as if the schedule were not paused.
    pub fn upcoming(&self, n: usize) -> Vec<Tick> {
        self.schedule.upcoming(&self.progress, self.now, n)
    }
}

impl Schedules<'_> {
    pub(super) fn report_of(&self, found: StoredSchedule) -> ScheduleReport {
        let (mut entry, now) = (found.entry, self.client.now());
        // As the next turn of its chore reads it.
        entry.set_back(now);
        let ScheduleEntry { schedule, progress, .. } = entry;
        let state = match () {
            () if schedule.is_finished(&progress) => ScheduleState::Finished,
            () if schedule.paused => ScheduleState::Paused,
            () => ScheduleState::Active,
        };
        ScheduleReport { schedule, progress, state, now }
    }

    /// The schedule with this name.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`], [`ScheduleError::Unreadable`], [`ScheduleError::Transport`].
    pub async fn get(&self, name: &ScheduleName) -> Result<ScheduleReport, ScheduleError> {
        let found = self.find(name).await?;
        let found = found.ok_or_else(|| ScheduleError::NotFound(name.clone()))?;
        Ok(self.report_of(found))
    }

    /// All schedules, sorted by name. A schedule that this version cannot read is an error in the
    /// list.
    ///
    /// # Errors
    /// [`ScheduleError::Transport`].
    pub async fn list(&self) -> Result<Vec<Result<ScheduleReport, ScheduleError>>, ScheduleError> {
        let all = self.read_all().await?;
        let report = |(name, stored): (ScheduleName, StateEntry)| {
            let entry = ScheduleEntry::decode(&name, &stored.value)
                .map_err(|fault| ScheduleError::Unreadable { name, fault })?;
            Ok(self.report_of(StoredSchedule { entry, revision: stored.revision }))
        };
        Ok(all.into_iter().map(report).collect())
    }
}
