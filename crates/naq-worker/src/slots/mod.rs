//! Slots: which delivery runs next, and how many run.

mod lanes;
mod ready_deliveries;

pub(crate) use self::lanes::Sharing;
pub(crate) use self::ready_deliveries::ReadyDeliveries;
