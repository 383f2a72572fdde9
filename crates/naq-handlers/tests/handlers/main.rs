//! Handlers in other languages under a real worker, over the broker in memory: real processes, and
//! real connections on the loopback interface.

mod command_vectors;
mod exec;
mod http;
mod http_vectors;
mod kit;
mod pool;
mod tasks;
mod vector;
