//! For tests of your own jobs: run one inline, run a whole queue, let weeks of retries pass in
//! milliseconds, and check which jobs were enqueued and how they ended. Everything runs on the
//! in-memory transport, which keeps the same contract as NATS, and on a clock that stands still: no
//! server, no sleep, and the same result every time. A plain `#[tokio::test]` is enough.
//!
//! ```
//! use naq_core::{Failure, Job, JobOptions, RetryPolicy};
//! use naq_worker::testing::{self, Harness};
//! use naq_worker::{Context, Registry};
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Charge {
//!     order: u32,
//! }
//!
//! impl Job for Charge {
//!     const NAME: &'static str = "payment.charge";
//!     type Output = ();
//!
//!     fn options() -> JobOptions {
//!         JobOptions::new().policy("exponential:1m,max_retries=24,max_delay=1d".parse().unwrap())
//!     }
//! }
//!
//! async fn charge(_: Charge, cx: Context) -> Result<(), Failure> {
//!     match cx.attempt() {
//!         25 => Ok(()),
//!         _ => Err(Failure::msg("the bank is closed").with_kind("ConnectionError")),
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::new().task(charge);
//!
//! // One attempt.
//! let second = testing::run(&registry, Charge { order: 2317 }).attempt(2).await;
//! second.assert_failed("ConnectionError").assert_retries_in(Duration::from_secs(120));
//!
//! // All 25 of them.
//! let harness = Harness::new(registry);
//! let job = harness.client().enqueue(Charge { order: 2317 }).await?;
//! harness.assert_enqueued::<Charge>().with(|job| job.order == 2317).due_now().times(1);
//! harness.run_to_end().await;
//! harness.job(&job).assert_completed().assert_attempts(25);
//! assert!(harness.elapsed() > Duration::from_secs(2 * 7 * 24 * 3600), "two weeks");
//! # Ok(())
//! # }
//! ```

mod at_once;
mod drive;
mod enqueued;
mod harness;
mod inline;
mod selection;
mod view;

pub use enqueued::Enqueued;
pub use harness::Harness;
pub use inline::{Run, run};
pub use selection::Selection;
pub use view::JobView;
