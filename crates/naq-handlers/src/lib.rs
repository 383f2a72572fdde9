//! Handlers in any language. A worker fetches, gates, decides and settles in Rust; the handler of a
//! task is a command that reads one request and writes its answer, or an HTTP service that answers
//! one POST. `docs/handler-protocol.md` describes what they say to each other.
//!
//! [`HandlerSources`] says where the handlers are, [`Handlers`] adds them to a registry.

mod answers;
mod command;
mod config;
mod handlers;
mod http;
mod list;
mod protocol;
mod task;

pub use command::CommandLineError;
pub use handlers::{HandlerSources, Handlers, HandlersError};
pub use http::{KeyError, Keys, TargetError};
pub use list::ListError;
