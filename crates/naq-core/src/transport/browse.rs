//! Lists of jobs, one page at a time.

mod page;
mod query;

pub use self::page::{HeldBack, JobSummary, JobsPage, Looked, Scan, waiting_state};
pub use self::query::{JobsCursor, JobsCursorError, JobsQuery, Order, SCAN};
