//! Recurring schedules: register them, look at them, act on them, and take their turns.

mod builder;
mod chore;
mod error;
mod report;
mod run;
mod store;

pub use builder::ScheduleBuilder;
pub use chore::ScheduleChore;
pub use error::ScheduleError;
pub use report::{ScheduleReport, ScheduleState};
pub use store::Registered;

use crate::Client;

/// The verbs on schedules; from [`Client::schedules`].
#[derive(Debug, Clone, Copy)]
pub struct Schedules<'a> {
    client: &'a Client,
}

impl Client {
    /// Defines a recurring schedule; `.await` registers it. From any number of processes it is one
    /// schedule: the first makes it, the others find it. A definition that differs replaces it.
    ///
    /// ```no_run
    /// # use naq_client::Client;
    /// # use naq_core::Job;
    /// # use naq_core::schedule::{CatchUp, Overlap};
    /// # async fn f<J: Job>(client: &Client, report: J) -> Result<(), Box<dyn std::error::Error>> {
    /// client
    ///     .schedule("nightly-report")
    ///     .cron("30 2 * * *")
    ///     .time_zone("Europe/Berlin")
    ///     .catch_up(CatchUp::Last) // after an outage once, however late
    ///     .overlap(Overlap::Skip) // never beside the run before it
    ///     .job(report)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn schedule(&self, name: impl AsRef<str>) -> ScheduleBuilder<'_> {
        ScheduleBuilder::new(self, name.as_ref())
    }

    /// The verbs on schedules that there are.
    pub fn schedules(&self) -> Schedules<'_> {
        Schedules { client: self }
    }
}
