//! [`StopReason`]: why a handler has to stop.

/// Why a handler has to stop. Ordered: a later variant replaces an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopReason {
    /// The worker stops, and the grace period is over.
    Shutdown = 1,
    /// An operator cancelled the job; its record is stored already.
    Cancelled = 2,
    /// The lease ended without a renewal: another worker may have the job.
    LeaseLost = 3,
}
