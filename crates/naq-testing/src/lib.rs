//! Real nats-servers, a real PostgreSQL, real processes, simulated network faults and vectors, for NAQ's own tests.
//!
//! This crate uses no other crate of NAQ, so that all of them can use it. If a test process
//! ends or is killed, the processes that it started end too.
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
mod cluster;
mod eventually;
mod guarded_process;
mod locate;
mod malformed;
mod monitor;
mod nats_connection;
mod poll;
mod postgres;
mod proxy;
mod route_link;
mod server;
mod shared;
mod vectors;

#[cfg(feature = "browser")]
pub use browser::{Browser, Theme, shared_browser};
pub use builder::NatsServerBuilder;
pub use child::ChildProcess;
pub use cluster::{CLUSTER_SIZE, NatsCluster};
pub use eventually::{ProbeResult, eventually};
pub use malformed::{ClientReaction, MALFORMED, Malformed};
pub use nats_connection::NatsConnection;
pub use postgres::PostgresServer;
pub use proxy::{ChaosProxy, Direction};
pub use server::NatsServer;
pub use shared::{shared_server, unique};
pub use vectors::{differences, vectors};
