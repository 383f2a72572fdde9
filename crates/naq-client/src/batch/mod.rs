//! Batches: one operator's action on many dead letters or waiting jobs. A batch can be previewed,
//! watched, cancelled, and continued after a crash. It can be undone until its first job is due.
//!
//! A batch is an entry in the state store: the action, the scope, who started it, and its progress. [`run_batch`](crate::Client::run_batch) works on it page by page. It stores each page before
//! it acts on it, each step can be repeated, and the broker holds all due times. So the process that
//! runs a batch may crash at any point, and the next process that runs it continues.

mod action;
mod apply;
mod count;
mod drip_times;
mod entry;
mod error;
mod id;
mod item;
mod letters;
mod live;
mod live_filter;
mod page;
mod run;
mod scope;
mod select;
mod selected_page;
mod start;
mod state;
mod store;
mod undo;

pub use action::BatchAction;
pub use count::{COUNT_CAP, Preview};
pub use entry::{BATCH_TTL, Batch, STALE_AFTER};
pub use error::BatchError;
pub use id::BatchId;
pub use item::{BatchItem, MAX_SELECTED};
pub use live_filter::LiveFilter;
pub use scope::{BatchScope, WaitingFilter};
pub use start::{BatchOrder, UNDO_WINDOW};
pub use state::BatchState;
