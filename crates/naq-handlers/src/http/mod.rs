//! Handlers behind HTTP: a service that answers one POST an attempt.

mod call;
mod connection;
mod reply;
mod service;
mod sign;
mod status;
mod target;

pub(crate) use self::connection::Tls;
pub(crate) use self::service::Service;
pub use self::sign::{KeyError, Keys};
pub(crate) use self::target::Target;
pub use self::target::TargetError;
