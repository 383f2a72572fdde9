//! The tasks of the demo, one file each: a job (what travels), its error, its handler.
//!
//! The arguments list the faults, so each job fails in the same way each time.

mod advice;
mod api;
mod database;
mod file;
mod flaky;
mod mail;
mod payment;
mod price;
mod shop;

pub use advice::{Advised, Behaviour, advised};
pub use api::{ApiError, CallApi, call_api};
pub use database::{DatabaseError, SaveOrder, save_order};
pub use file::{FileFault, ImportFile, import_file};
pub use flaky::{Flaky, FlakyError, flaky};
pub use mail::{MailError, SendMail, send_mail};
pub use payment::{Charge, GatewayError, charge};
pub use price::{FetchPrice, fetch_price};
pub use shop::Shop;

use naq::Registry;

/// Every task with its handler, and the state that the handlers share.
pub fn registry() -> Registry<Shop> {
    Registry::with_state(Shop::default())
        .task(flaky)
        .task(advised)
        .task(call_api)
        .task(save_order)
        .blocking(import_file)
        .task(send_mail)
        .task(charge)
        .task(fetch_price)
}

/// Returns the fault of this attempt: the first fault at attempt 1, the second at attempt 2, and so
/// on. After the last fault there is no error.
fn fail_as_planned<E: Clone>(faults: &[E], attempt: u32) -> Result<(), E> {
    let index = attempt.saturating_sub(1) as usize;
    faults.get(index).cloned().map_or(Ok(()), Err)
}
