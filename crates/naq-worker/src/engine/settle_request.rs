//! [`SettleRequest`]: a delivery on its way to the task that settles.

use std::sync::Arc;

use naq_core::Envelope;

use super::{PendingObservation, WorkerQueue};
use crate::decide::Settlement;
use crate::delivery::HeldDelivery;

/// A delivery that its sender has claimed, and what to do with it.
#[derive(Debug)]
pub(crate) struct SettleRequest {
    pub(crate) queue: Arc<WorkerQueue>,
    pub(crate) held: Arc<HeldDelivery>,
    pub(crate) settlement: Settlement,
    /// The job, for the gates that have to know when it ends.
    pub(crate) gated_job: Option<Box<Envelope>>,
    /// What is counted once the settlement is stored.
    pub(crate) observation: Option<PendingObservation>,
}
