//! [`Clock`]: the port that reads the time, and [`SystemClock`].

use std::fmt;
use std::time::SystemTime;

use super::Timestamp;

/// Reads the time. Pure decisions take a [`Timestamp`] instead; only code that does I/O has a clock.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock. With the feature `tokio` it is a `Timer` too.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}
