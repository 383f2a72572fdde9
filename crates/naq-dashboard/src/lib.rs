//! NAQ's dashboard: pages that show what fails, why, and whether retries help, with buttons to act
//! on it.
//!
//! [`Dashboard`] is an axum router. `naq dashboard` serves it alone, and an application can mount it.
//! Each process has one reader, which reads the broker. All pages are rendered from its last snapshot,
//! so more open tabs do not cause more requests to the broker: see [`Dashboard::router`].

mod access;
mod actions;
mod app;
mod assets;
mod chart;
mod dashboard;
mod job_cache;
mod links;
mod live;
mod options;
mod page_request;
mod pages;
mod render_cache;
mod security;
mod snapshot;
mod sso;
mod tab_limit;
mod user;
mod view;

pub use dashboard::Dashboard;
pub use options::{EnvironmentColor, Options, OptionsError};
pub use sso::SsoProxy;
pub use user::{Role, User, UserError};
