//! Encrypts and signs a schedule before it is registered.

use naq_core::schedule::{Schedule, ScheduleFault};
use naq_core::seal::{Owner, SealKind, Subject};
use naq_core::wire::EncodeError;

use crate::Client;
use crate::schedule::ScheduleError;

impl Client {
    /// The same schedule with the arguments of its job encrypted, and the job signed, with the keys that
    /// this client has. Each run has these arguments and that signature, on every worker.
    /// Without a key the job has no signature.
    ///
    /// # Errors
    /// [`ScheduleError`] if a value of the job cannot be written.
    pub(crate) fn protect_schedule(
        &self,
        mut schedule: Schedule,
    ) -> Result<Schedule, ScheduleError> {
        let job = schedule.job.envelope();
        if let Some(ring) = self.key_ring.as_ref().filter(|_| job.args.encrypted_with().is_none()) {
            let owner = Owner::Schedule(&schedule.name);
            let kind = SealKind::Args;
            let subject = Subject { kind, queue: &job.queue, owner, task: &job.task };
            let sealed = ring.seal_again(&subject, &job.args).map_err(EncodeError::from);
            schedule.job = schedule.job.with_args(sealed.map_err(ScheduleFault::from)?)?;
        }
        let job = schedule.job.envelope();
        let signature = match &self.signing_key {
            Some(key) => Some(key.sign_schedule(&schedule.name, job).map_err(ScheduleFault::from)?),
            None => None,
        };
        schedule.job = schedule.job.signed(signature)?;
        Ok(schedule)
    }
}
