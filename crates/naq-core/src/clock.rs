//! Time as data ([`Timestamp`]) and as a port ([`Clock`], `Timer`). No other code of NAQ reads the
//! machine's clock.

mod read;
mod system;
#[cfg(feature = "jobs")]
mod timer;
mod timestamp;

pub use read::TimeTextError;
pub use system::{Clock, SystemClock};
#[cfg(feature = "jobs")]
pub use timer::Timer;
pub use timestamp::{Timestamp, TimestampError, millis, millis_up};
