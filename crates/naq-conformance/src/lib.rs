//! The contract: what every transport does, one behaviour a function, named by a sentence. A
//! transport proves itself with one line in its tests:
//!
//! ```ignore
//! naq_conformance::contract_suite!(make_subject); // async fn make_subject() -> impl Subject
//! ```
//!
//! which expands to one `#[tokio::test]` a behaviour. Tests use queues and ids of their own, so
//! that all of them can run at once against one broker.
#![expect(missing_docs, reason = "the names of the behaviours are sentences")]
#![expect(clippy::unwrap_used, reason = "a suite of tests")]

mod case;
mod subject;
mod suite;

pub mod batch;
pub mod blobs;
pub mod browse;
pub mod cancel;
pub mod crash;
pub mod dead;
pub mod depends;
pub mod end;
pub mod fence;
pub mod input;
pub mod kept;
pub mod lease;
pub mod lookup;
pub mod once;
pub mod operate;
pub mod queue;
pub mod record;
pub mod recurring;
pub mod requeue;
pub mod schedule;
pub mod settle;
pub mod state;
pub mod stats;
pub mod unique;
pub mod wait;
pub mod workers;
pub mod workflow;

pub use subject::Subject;
