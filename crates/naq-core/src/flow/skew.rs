//! How far apart two clocks may be.

use std::time::Duration;

/// The most by which the clocks of two machines may differ. A larger difference means that one of
/// them was set back or ahead.
pub(super) const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5);
