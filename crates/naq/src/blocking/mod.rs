//! The client for programs that are not async: the same methods, each of which waits for the broker.
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
//! The connection runs on its own thread, so any thread may call these methods. Inside async code a
//! call blocks the thread, and with it other async tasks. Use [`naq_client::Client`] there.

mod client;
mod enqueue;
mod handle;
#[cfg(feature = "schedules")]
mod schedule;
mod thread;
mod workflow;

pub use client::Client;
#[cfg(feature = "nats")]
pub use client::{connect, connect_from_env};
pub use enqueue::Enqueue;
pub use handle::JobHandle;
#[cfg(feature = "schedules")]
pub use schedule::{ScheduleBuilder, Schedules};
pub use workflow::WorkflowHandle;
