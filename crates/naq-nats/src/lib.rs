//! NAQ's transport over NATS JetStream: the only crate that names async-nats.

mod ack_handle;
mod api;
mod blobs;
mod browse;
mod clock_offset;
mod config;
mod connect;
mod connection_monitor;
mod dead;
mod diagnose;
mod direct;
mod directory;
mod end_watch;
mod error;
mod forgotten;
mod lookup;
mod message;
mod operate;
mod publish;
mod pulls;
mod purged;
mod records;
mod schedule;
mod server;
mod settle;
mod state_store;
mod state_watch;
mod stats;
mod streams;
mod subjects;
mod subscription;
mod topology;
mod transport;

pub use config::{Auth, CLIENT_LOG_TARGET, NatsConfig, Secret, Storage, Tls};
pub use diagnose::{Finding, Level};
pub use transport::NatsTransport;
