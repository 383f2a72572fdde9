//! Attacks on the dashboard, each a test of its name.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod attacks;
mod hostile;
mod scan;
mod site;
mod words;
