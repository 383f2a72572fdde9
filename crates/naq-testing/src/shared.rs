//! One server for all tests of a process, and unique names for what they store in it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::NatsServer;

/// The server that all tests of this process share. It starts on first use and ends with the
/// process.
///
/// Use it in tests that neither stop it nor fill it, and give streams and queues [`unique`] names.
/// (Under nextest each test is a process, so each has its own server.)
///
/// # Panics
///
/// There is no server, or it does not start. The test fails; it is not skipped.
#[must_use]
pub fn shared_server() -> &'static NatsServer {
    static SERVER: OnceLock<NatsServer> = OnceLock::new();
    SERVER.get_or_init(|| NatsServer::start().unwrap_or_else(|error| panic!("{error:#}")))
}

/// Returns `name-PID-N`. No two calls return the same name. It is valid as a queue, a subject token, a
/// stream or a durable name.
#[must_use]
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
