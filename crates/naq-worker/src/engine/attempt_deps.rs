//! [`AttemptDeps`]: what every attempt of a worker needs.

use std::sync::{Arc, OnceLock};

use naq_client::Client;
use naq_core::redact::Redactor;
use naq_core::{Envelope, Timer, WorkerId};
use tokio::runtime::Handle;

use super::Signatures;
use crate::delivery::HeldDelivery;
use crate::gates::Gates;
use crate::handler::{AttemptContext, TaskTable};

/// What every attempt of a worker needs.
#[derive(Debug)]
pub(crate) struct AttemptDeps {
    pub(crate) worker_id: WorkerId,
    pub(crate) client: Client,
    /// The slots of the worker.
    pub(crate) slots: usize,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) tasks: TaskTable,
    pub(crate) gates: Gates,
    pub(crate) redactor: Redactor,
    pub(crate) signatures: Signatures,
}

impl AttemptDeps {
    /// An attempt of `envelope` on the runtime of the caller.
    pub(crate) fn attempt_context(
        &self,
        held: &Arc<HeldDelivery>,
        envelope: Envelope,
    ) -> AttemptContext {
        let (args, encrypted) = match held.opened_args() {
            Some(opened) => (opened.plain.clone(), opened.encrypted.clone()),
            None => (envelope.args.clone(), None),
        };
        AttemptContext {
            envelope,
            args,
            encrypted,
            opened_error: OnceLock::new(),
            worker_id: self.worker_id.clone(),
            slots: self.slots,
            client: self.client.clone(),
            timer: self.timer.clone(),
            runtime: Handle::current(),
            held: held.clone(),
        }
    }
}
