//! Signs a schedule before it is registered.

use naq_core::schedule::{Schedule, ScheduleFault};

use crate::Client;
use crate::schedule::ScheduleError;

impl Client {
    /// The same schedule with its job signed by this client's key, if it has one. Each run has that
    /// signature, whichever worker makes it. Without a key the job has no signature.
    ///
    /// # Errors
    /// [`ScheduleError`] if a value of the job cannot be written.
    pub(crate) fn protect_schedule(
        &self,
        mut schedule: Schedule,
    ) -> Result<Schedule, ScheduleError> {
        let job = schedule.job.envelope();
        let signature = match &self.signing_key {
            Some(key) => Some(key.sign_schedule(&schedule.name, job).map_err(ScheduleFault::from)?),
            None => None,
        };
        schedule.job = schedule.job.signed(signature)?;
        Ok(schedule)
    }
}
