//! [`ScheduleView`]: a schedule as JSON. Its fields have the names of `naq schedule show -o json`.

use naq_client::{ScheduleReport, ScheduleState};
use naq_core::Timestamp;
use naq_core::clock::millis;
use naq_core::names::{JobKey, QueueName, TaskName};
use naq_core::schedule::When;
use serde::Serialize;

/// The next runs that an answer has.
const SHOWN: usize = 5;

#[derive(Debug, Serialize)]
pub(crate) struct ScheduleView {
    name: String,
    state: ScheduleState,
    cron: Option<String>,
    every_ms: Option<u64>,
    time_zone: String,
    task: TaskName,
    queue: QueueName,
    runs: u64,
    skipped: u64,
    /// The job of the last run.
    last_job: Option<JobKey>,
    /// The times of the next runs.
    next: Vec<Timestamp>,
}

impl From<&ScheduleReport> for ScheduleView {
    fn from(report: &ScheduleReport) -> Self {
        let (schedule, progress) = (&report.schedule, &report.progress);
        let (cron, every_ms) = match &schedule.when {
            When::Cron(cron) => (Some(cron.to_string()), None),
            When::Every(every) => (None, Some(millis(*every))),
        };
        let job = schedule.job.envelope();
        Self {
            name: schedule.name.to_string(),
            state: report.state,
            cron,
            every_ms,
            time_zone: schedule.time_zone.to_string(),
            task: job.task.clone(),
            queue: job.queue.clone(),
            runs: progress.runs,
            skipped: progress.skipped,
            last_job: progress.last.as_ref().map(|last| last.job.clone()),
            next: report.upcoming(SHOWN).iter().map(|tick| tick.at).collect(),
        }
    }
}
