//! Jobs that wait for other jobs. `docs/adr/0016-dependencies.md` describes the protocol, and why
//! every interleaving of it is safe.
//!
//! A *parent* is a job that another one waits for; its *dependent* is the job that waits, and is
//! `blocked` meanwhile.

mod blocked_job;
mod dependency_spec;
mod edges;
mod link;
mod parents;
mod refs;
mod release;
mod wake;

pub(crate) use blocked_job::BlockedJob;
pub(crate) use dependency_spec::{DependencySpec, write_dependencies};
pub(crate) use edges::Dependent;
pub(crate) use link::ParentState;
pub use parents::{ParentEnd, Parents};
pub use refs::{JobRef, JobRefs, NamedJob};
pub use wake::Wake;
