//! Handlers in other languages under a real worker, over the broker in memory: real processes, and
//! real connections on the loopback interface.

mod exec;
mod http;
mod kit;
mod pool;
mod tasks;
