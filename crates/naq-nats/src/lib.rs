//! NAQ's transport over NATS JetStream: the only crate that names async-nats.

mod api;
mod blobs;
mod browse;
mod config;
mod connect;
mod dead;
mod delivery;
mod diagnose;
mod direct;
mod directory;
mod end_watch;
mod error;
mod fetch;
mod link;
mod lookup;
mod message;
mod offset;
mod operate;
mod publish;
mod pulls;
mod records;
mod schedule;
mod server;
mod settle;
mod shared_state;
mod state_watch;
mod stats;
mod streams;
mod subjects;
mod topology;
mod transport;

pub use config::{Auth, CLIENT_LOG_TARGET, NatsConfig, Secret, Storage, Tls};
pub use diagnose::{Finding, Level};
pub use transport::NatsTransport;
