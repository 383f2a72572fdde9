//! Intake: fetches deliveries, checks suspects, and renews leases until a delivery is settled.

mod fetch_loop;
mod forgotten;
mod give_back;
mod prefetch;
mod push_ready;
mod renew_loop;
pub(crate) mod suspect_check;

pub(crate) use self::fetch_loop::fetch_loop;
pub(crate) use self::forgotten::repair_loop;
pub(crate) use self::give_back::give_back_waiting;
pub(crate) use self::push_ready::push_ready;
pub(crate) use self::renew_loop::renew_loop;
