//! How an attempt fails, as data that survives the wire: an [`ErrorKind`], a message, and what the
//! handler advises.

mod classify;
mod fail;
mod kind;

pub use classify::{IntoFailure, JobError};
pub use fail::{Advice, Failure, ResultExt};
pub use kind::{ErrorKind, KindError};
