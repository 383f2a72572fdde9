//! A delivery in this worker, from its arrival until it is settled.

mod held_deliveries;
mod held_delivery;
mod message_id;
mod progress_reporter;
mod saved_data;
mod stop_reason;

pub(crate) use self::held_deliveries::HeldDeliveries;
pub(crate) use self::held_delivery::HeldDelivery;
pub(crate) use self::message_id::MessageId;
pub(crate) use self::progress_reporter::ProgressReporter;
pub(crate) use self::stop_reason::StopReason;
