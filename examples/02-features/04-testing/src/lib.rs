//! A shop that charges cards: small, and with every kind of job that one wants to test.
//!
//! [`checkout`] is called by the web page and enqueues; [`jobs`] are the jobs and their handlers;
//! [`bank`] is the world outside, which a test replaces. The tests are in `tests/`.

pub mod bank;
pub mod checkout;
pub mod jobs;
