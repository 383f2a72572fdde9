//! The same verbs for programs that are not async.
//!
//! ```no_run
//! # fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let client = naq::blocking::connect("nats://localhost:4222")?;
//! let job = client.enqueue_task("email.send", &["a@example.com"])?.max_retries(3).send()?;
//! println!("job {}", job.id());
//! for worker in client.list_workers()? {
//!     println!("worker {}: {}", worker.worker_id, worker.status);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The connection lives on a thread of its own, so these calls may be made from anywhere; inside
//! async code they would hold up the others, and the async verbs are the better choice.

mod client;
mod enqueue;
mod handle;
mod schedule;
mod thread;
mod workflow;

pub use client::Client;
#[cfg(feature = "nats")]
pub use client::{connect, connect_from_env};
pub use enqueue::Enqueue;
pub use handle::JobHandle;
pub use schedule::{ScheduleBuilder, Schedules};
pub use workflow::WorkflowHandle;
