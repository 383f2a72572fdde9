//! How an attempt fails, as data: an [`ErrorKind`], a message, and the [`Advice`] of the handler.

mod classify;
mod fail;
mod kind;
mod known;

pub use classify::{IntoFailure, JobError};
pub use fail::{Advice, Failure, ResultExt};
pub use kind::{ErrorKind, KindError};
