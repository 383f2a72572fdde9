//! A real Chromium, driven as a user would: what pages show and do, proved where they are used.

mod element;
mod look;
mod problems;
mod session;
mod wire;

pub use look::Theme;
pub use session::{Browser, shared_browser};
