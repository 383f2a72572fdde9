//! NAQ's retry policies without a queue: a loop around an HTTP call.

pub mod http;
pub mod retry;
pub mod server;
