//! Real nats-servers, processes and broken networks for NAQ's own tests.
//!
//! This crate uses no other crate of NAQ, so that all of them can use it. Processes that it starts
//! end with the process that started them, even if that one is killed.
//!
//! ```
//! use naq_testing::NatsServer;
//!
//! let mut server = NatsServer::start()?;
//! println!("connect to {}", server.url());
//! server.kill()?; // a crash
//! server.restart()?; // same port, same store
//! # anyhow::Ok(())
//! ```

#[cfg(feature = "browser")]
mod browser;
mod builder;
mod child;
mod eventually;
mod guarded_process;
mod locate;
mod proxy;
mod server;
mod shared;

#[cfg(feature = "browser")]
pub use browser::{Browser, Theme, shared_browser};
pub use builder::NatsServerBuilder;
pub use child::ChildProcess;
pub use eventually::{ProbeResult, eventually};
pub use proxy::{ChaosProxy, Direction};
pub use server::NatsServer;
pub use shared::{shared_server, unique};
