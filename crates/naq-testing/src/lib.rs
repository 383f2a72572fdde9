//! Real nats-servers, real processes and broken networks for NAQ's own tests.
//!
//! Names no crate of NAQ, so that every one of them can use it. Whatever is spawned here dies with
//! the process that spawned it, even if that one is killed.
//!
//! ```
//! use naq_testing::NatsServer;
//!
//! let mut server = NatsServer::start()?;
//! println!("connect to {}", server.url());
//! server.kill()?; // as a crash does
//! server.restart()?; // same port, same store
//! # anyhow::Ok(())
//! ```

#[cfg(feature = "browser")]
mod browser;
mod builder;
mod child;
mod eventually;
mod locate;
mod process;
mod proxy;
mod server;
mod shared;

#[cfg(feature = "browser")]
pub use browser::{Browser, Theme, shared_browser};
pub use builder::NatsServerBuilder;
pub use child::ChildProcess;
pub use eventually::{Observed, eventually};
pub use proxy::{ChaosProxy, Direction};
pub use server::NatsServer;
pub use shared::{shared_server, unique};
