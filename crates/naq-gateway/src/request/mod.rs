//! What the calls read of a request: names in the path, the query, and jobs.

mod idempotency;
mod job_order;
mod path;
mod query;
mod trace_context;

pub(crate) use idempotency::{IdempotencyKey, same_job};
pub(crate) use job_order::JobOrder;
pub(crate) use path::{JobPath, QueuePath, SchedulePath};
pub(crate) use query::{BodyFields, JsonBody, QueryFields, maybe_span};
pub(crate) use trace_context::traceparent;
