//! NAQ's dashboard: pages that show what fails, why, and whether retries help, and that act on it.
//!
//! [`Dashboard`] is an axum router, to be served alone (`naq dashboard`) or mounted in an
//! application. Everything that it shows comes from one reader a process, whatever the number of
//! tabs: see [`Dashboard::router`].

mod access;
mod actions;
mod app;
mod assets;
mod chart;
mod dashboard;
mod live;
mod lookups;
mod options;
mod pages;
mod renders;
mod scene;
mod security;
mod snapshot;
mod view;

pub use dashboard::Dashboard;
pub use options::{Options, OptionsError};
