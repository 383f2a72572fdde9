//! Slots: which delivery runs next, and how many run.

mod lanes;
mod ready_deliveries;
mod settle_window;

pub(crate) use self::lanes::Sharing;
pub(crate) use self::ready_deliveries::ReadyDeliveries;
pub(crate) use self::settle_window::MAX_BEYOND_SLOTS;
