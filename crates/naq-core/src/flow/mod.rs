//! What decides when a job may run beside its retry policy: jobs that it depends on, keys that make
//! it unique, limits that it shares with others. Plain data that travels in the job, and pure
//! decisions over it.

mod depends;
mod limit;
mod unique;

pub use depends::{Dependencies, MAX_DEPENDENCIES, RunWhen};
pub use limit::{Limit, Rate};
pub use unique::{Unique, UniqueScope};
