//! Chores: NAQ's own jobs, such as the next tick of a schedule. They are jobs like any other, in a
//! queue of their own, and every worker runs some of them beside its slots. So no process has to be
//! run or elected for them, and a worker whose slots are all in use still runs them.
//!
//! Each chore is one file here, with its handler. [`chore_registry`] lists them.

mod release;
mod run_chores;
mod tick;

use std::time::Duration;

use naq_core::QueueName;
use naq_core::names::CHORES;

use crate::handler::Registry;

pub(crate) use self::run_chores::run_chores;

/// Chores that one worker runs at once. They are short: a few requests each.
pub(crate) const SLOTS: usize = 4;
/// The grace period of a chores worker.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// All chores and their handlers.
pub(crate) fn chore_registry() -> Registry {
    Registry::new().task(release::release).task(tick::run_tick)
}

/// The queue of chores.
pub(crate) fn queue() -> QueueName {
    QueueName::new(CHORES).unwrap_or_default()
}
