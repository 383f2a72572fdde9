//! Intake: fetches deliveries, checks suspects, and renews leases until a delivery is settled.

mod feed;
mod give_back;
mod lease;
mod read_ahead;
pub(crate) mod suspects;

pub(crate) use self::feed::feed;
pub(crate) use self::give_back::give_back_waiting;
pub(crate) use self::lease::keep_leases;
