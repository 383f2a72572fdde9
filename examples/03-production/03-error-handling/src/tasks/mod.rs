//! The jobs and their handlers, one file each.

mod charge;
mod import;
mod rate;

use std::time::Duration;

pub use charge::{Charge, charge};
pub use import::{Import, ImportRow, Imported, import, import_row};
use naq::flow::RetryBudget;
use naq::flow::breaker::BreakerConfig;
use naq::{Registry, TaskOptions};
pub use rate::{Rate, rate, yesterdays_rate};

use crate::bank::Bank;

/// Opens at 5 failures. The times are short, so that the example is: the defaults are 30 s each.
fn breaker() -> BreakerConfig {
    let ms = Duration::from_millis;
    BreakerConfig::new().failures(5).open_for(ms(300)).successes(2).recovery(ms(500))
}

/// All tasks, for the worker.
pub fn registry(bank: &Bank) -> Registry<Bank> {
    Registry::with_state(bank.clone())
        // All workers share the state of a breaker.
        .breaker("bank", breaker())
        .task_with(charge, TaskOptions::new().breaker("bank"))
        .task(rate)
        .fallback(yesterdays_rate)
        .task(import)
        // At most one retry for two rows, and ten a second: a file of bad rows causes no storm.
        .task_with(import_row, TaskOptions::new().retry_budget(RetryBudget::new(0.5, 10.0)))
}
