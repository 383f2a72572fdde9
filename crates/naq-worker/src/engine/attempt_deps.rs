//! [`AttemptDeps`]: what every attempt of a worker needs.

use std::sync::Arc;

use naq_client::Client;
use naq_core::redact::Redactor;
use naq_core::{Envelope, Timer, WorkerId};
use tokio::runtime::Handle;

use crate::delivery::HeldJob;
use crate::gates::Gates;
use crate::handler::{RunningAttempt, Tasks};

/// What every attempt of a worker needs.
#[derive(Debug)]
pub(crate) struct AttemptDeps {
    pub(crate) worker: WorkerId,
    pub(crate) client: Client,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) tasks: Tasks,
    pub(crate) gates: Gates,
    pub(crate) redactor: Redactor,
}

impl AttemptDeps {
    /// An attempt of `envelope` on the runtime of the caller.
    pub(crate) fn running_attempt(
        &self,
        held: &Arc<HeldJob>,
        envelope: Envelope,
    ) -> RunningAttempt {
        RunningAttempt {
            envelope,
            worker: self.worker.clone(),
            client: self.client.clone(),
            timer: self.timer.clone(),
            runtime: Handle::current(),
            held: held.clone(),
        }
    }
}
