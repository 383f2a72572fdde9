//! The contract suite: the behaviours that every NAQ transport must have. Each behaviour is a function
//! whose name is a sentence, and becomes one test.
//!
//! # Prove a transport
//!
//! Implement [`Subject`] for it, and call [`contract_suite!`] in a test file:
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use naq_conformance::{Subject, contract_suite};
//! use naq_core::clock::{Clock, SystemClock, Timer};
//! use naq_core::transport::Transport;
//!
//! struct MyBroker(Arc<dyn Transport>);
//!
//! #[async_trait::async_trait]
//! impl Subject for MyBroker {
//!     fn transport(&self) -> Arc<dyn Transport> {
//!         Arc::clone(&self.0)
//!     }
//!
//!     fn clock(&self) -> Arc<dyn Clock> {
//!         Arc::new(SystemClock)
//!     }
//!
//!     fn lease(&self) -> Duration {
//!         Duration::from_secs(1)
//!     }
//!
//!     async fn pass(&self, span: Duration) {
//!         // A transport with a manual clock moves the clock instead, and takes milliseconds.
//!         SystemClock.sleep_until(SystemClock.now() + span).await;
//!     }
//! }
//!
//! async fn connect() -> MyBroker {
//!     // Connect, and return the transport.
//! #   unimplemented!()
//! }
//!
//! contract_suite!(connect); // one #[tokio::test] per behaviour
//! ```
//!
//! Every test uses its own queues and ids, so all of them can run at the same time against one broker.
//! Tests of the whole broker, such as lists of all queues, skip what belongs to other tests. A
//! transport that passes all of them works with every worker and client of NAQ.
//!
//! # Add a behaviour
//!
//! Write it as a function over `&dyn Subject` in the module of its topic, and add its name to the list
//! in `suite.rs`.
#![expect(missing_docs, reason = "the name of each behaviour is a sentence")]
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
pub mod lease;
pub mod lookup;
pub mod once;
pub mod operate;
pub mod queue;
pub mod record;
pub mod recurring;
pub mod requeue;
pub mod saved_data;
pub mod schedule;
pub mod settle;
pub mod state;
pub mod stats;
pub mod unique;
pub mod wait;
pub mod workers;
pub mod workflow;

pub use subject::Subject;
pub use suite::{Behaviour, behaviours};
