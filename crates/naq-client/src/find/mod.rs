//! Where is the job with this text in its id, a tag, its task or its error?
//!
//! There is no index. [`Client::find_jobs`](crate::Client::find_jobs) reads the newest messages of each place,
//! and says how many it read.

mod found;
mod read;

pub use found::{FoundJob, FoundJobs, MatchedBy, SearchedPlace};
