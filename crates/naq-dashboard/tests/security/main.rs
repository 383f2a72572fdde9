//! Attacks on the dashboard; each test is named after what the dashboard does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod attacks;
mod hostile;
mod hostile_text;
mod scan;
mod site;
