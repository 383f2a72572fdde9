//! Workflows: a whole graph of jobs, started as one.

mod builder;
mod cancel;
mod error;
mod handle;
mod manifest;
mod plan;
mod report;
mod start;

pub use builder::{NodeJob, Workflow, WorkflowJob};
pub use error::WorkflowError;
pub use handle::WorkflowHandle;
pub use manifest::WorkflowSummary;
pub use report::{WorkflowNode, WorkflowReport};
