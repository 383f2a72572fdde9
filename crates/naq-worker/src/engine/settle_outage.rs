//! [`SettleOutage`]: the outage that all settlements under way share.

use std::sync::Mutex;

use naq_core::Timestamp;
use naq_core::transport::TransportError;

use crate::outage::Outage;
use naq_core::sync::lock;

/// The outage that all settlements under way share, so that it is logged once.
#[derive(Debug)]
pub(crate) struct SettleOutage(Mutex<Outage>);

impl SettleOutage {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Outage::of("settling jobs")))
    }

    pub(crate) fn over(&self, now: Timestamp) {
        lock(&self.0).over(now);
    }

    pub(crate) fn failed(&self, err: &TransportError, now: Timestamp) {
        lock(&self.0).failed(err, now);
    }
}
