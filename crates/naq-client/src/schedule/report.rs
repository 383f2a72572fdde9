//! Look at schedules.

use naq_core::clock::Timestamp;
use naq_core::names::ScheduleName;
use naq_core::schedule::{Progress, Schedule, ScheduleEntry, Tick};

use crate::schedule::store::Found;
use crate::schedule::{ScheduleError, Schedules};

/// Whether a schedule goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScheduleState {
    /// Its next tick will come.
    Active,
    /// Until it is resumed, ticks pass by.
    Paused,
    /// All its runs were made, or its end has passed.
    Finished,
}

/// A schedule as an operator sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleReport {
    /// Its definition.
    pub schedule: Schedule,
    /// How far it has come.
    pub progress: Progress,
    /// Whether it goes on.
    pub state: ScheduleState,
    /// When it was looked at.
    pub now: Timestamp,
}

impl ScheduleReport {
    /// The next `n` ticks that will make a run; as if it were not paused.
    pub fn upcoming(&self, n: usize) -> Vec<Tick> {
        self.schedule.upcoming(&self.progress, self.now, n)
    }
}

impl Schedules<'_> {
    pub(super) fn report_of(&self, found: Found) -> ScheduleReport {
        let ScheduleEntry { schedule, progress, .. } = found.entry;
        let state = match () {
            () if schedule.is_finished(&progress) => ScheduleState::Finished,
            () if schedule.paused => ScheduleState::Paused,
            () => ScheduleState::Active,
        };
        ScheduleReport { schedule, progress, state, now: self.client.clock.now() }
    }

    /// The schedule of this name.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`], [`ScheduleError::Unreadable`], [`ScheduleError::Transport`].
    pub async fn get(&self, name: &ScheduleName) -> Result<ScheduleReport, ScheduleError> {
        let found = self.find(name).await?;
        let found = found.ok_or_else(|| ScheduleError::NotFound(name.clone()))?;
        Ok(self.report_of(found))
    }

    /// All schedules by name; of those that this version cannot read, why.
    ///
    /// # Errors
    /// [`ScheduleError::Transport`].
    pub async fn list(&self) -> Result<Vec<Result<ScheduleReport, ScheduleError>>, ScheduleError> {
        let all = self.read_all().await?;
        let report = |(name, stored): (ScheduleName, naq_core::transport::StateEntry)| {
            let entry = ScheduleEntry::decode(&name, &stored.value)
                .map_err(|fault| ScheduleError::Unreadable { name, fault })?;
            Ok(self.report_of(Found { entry, revision: stored.revision }))
        };
        Ok(all.into_iter().map(report).collect())
    }
}
