//! Drives a real Chromium as a user does. Tests of pages use it.

mod appearance;
mod element;
mod problems;
mod session;
mod webdriver;

pub use appearance::Theme;
pub use session::{Browser, shared_browser};
