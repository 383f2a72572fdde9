//! A small shop that charges cards, with the kinds of jobs that you may want to test.
//!
//! The web page calls [`checkout`], which enqueues. [`jobs`] has the jobs and their handlers. [`bank`] is
//! an external service, which a test replaces. The tests are in `tests/`.

pub mod bank;
pub mod checkout;
pub mod jobs;
