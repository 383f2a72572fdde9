//! Attacks on the dashboard; each test is named after what the dashboard does.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod attacks;
mod hostile;
mod hostile_text;
mod logins;
mod scan;
mod test_dashboard;
