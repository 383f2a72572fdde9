//! One server for all tests of a process, and names that keep them apart.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::NatsServer;

/// The server that all tests of this process share; started on first use, ended with the process.
///
/// For tests that neither stop it nor fill it: give streams and queues [`unique`] names. (Under
/// nextest every test is a process, so each gets its own.)
///
/// # Panics
///
/// No server can be had or started: such a test fails, it is not skipped.
#[must_use]
pub fn shared_server() -> &'static NatsServer {
    static SERVER: OnceLock<NatsServer> = OnceLock::new();
    SERVER.get_or_init(|| NatsServer::start().unwrap_or_else(|error| panic!("{error:#}")))
}

/// `name-PID-N`, given out once: fit for a queue, a subject token, a stream or a durable.
#[must_use]
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
