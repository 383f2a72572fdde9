//! Batches: one action on many dead letters or waiting jobs, that can be looked at before, watched,
//! cancelled, undone while nothing of it is due, and gone on with after a crash.
//!
//! A batch is an entry that all share: what to do, on what, who asked for it, how far it has come.
//! [`run_batch`](crate::Client::run_batch) works on it page by page. What a page is about to do is
//! written down before it is done, each step can be repeated, and due times are kept by the broker:
//! whoever runs a batch may die at any point, and whoever opens it next goes on.

mod action;
mod apply;
mod count;
mod error;
mod id;
mod letters;
mod page;
mod run;
mod scope;
mod select;
mod slots;
mod start;
mod state;
mod store;
mod undo;

pub use action::BatchAction;
pub use count::{COUNT_CAP, Preview};
pub use error::BatchError;
pub use id::BatchId;
pub use scope::{BatchItem, BatchScope, MAX_SELECTED, WaitingFilter};
pub use start::{BatchOrder, UNDO_WINDOW};
pub use state::{BATCH_TTL, Batch, BatchState, STALE_AFTER};
