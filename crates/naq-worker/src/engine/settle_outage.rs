//! [`SettleOutage`]: the outage that all settlements under way share.

use std::sync::Mutex;

use naq_core::Timestamp;
use naq_core::sync::lock;
use naq_core::transport::TransportError;

use crate::outage::Outage;

/// The outage that all settlements under way share, so that it is logged once.
#[derive(Debug)]
pub(crate) struct SettleOutage(Mutex<Outage>);

impl SettleOutage {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Outage::new("settling jobs")))
    }

    /// A request succeeded. The clock is read only at the end of an outage.
    pub(crate) fn recovered(&self, now: impl FnOnce() -> Timestamp) {
        let mut outage = lock(&self.0);
        if outage.is_open() {
            outage.recovered(now());
        }
    }

    pub(crate) fn failed(&self, err: &TransportError, now: Timestamp) {
        lock(&self.0).failed(err, now);
    }
}
