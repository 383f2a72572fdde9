//! [`FaultPlan`]: which operation fails, at which call, and how.

use super::{DiePoint, Op};

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The process dies before the operation.
    DieBefore,
    /// The process dies after the operation took effect.
    DieAfter,
    /// It has no effect and answers `Unreachable`.
    Unreachable,
    /// It has no effect and answers `Rejected`, a permanent error.
    Refused,
    /// It has no effect and answers `TooLarge`.
    TooLarge,
    /// It has no effect and answers `StoreFull`.
    StoreFull,
    /// It takes effect and answers `Timeout`. The deliveries of a fetch never arrive.
    Timeout,
    /// It has no effect and answers as if it had, like a lost ack.
    Lost,
    /// It takes effect, and the answer arrives when
    /// [`release_late`](super::FaultyTransport::release_late) is called.
    Late,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FaultRule {
    op: Op,
    from: u32,
    times: u32,
    fault: Fault,
}

/// Which calls fail and how, as plain data. With the empty plan no call fails.
///
/// ```
/// use naq_core::testing::{DiePoint, Fault, FaultPlan, Op};
///
/// let plan = FaultPlan::new()
///     .on(Op::Publish, 1, 3, Fault::Timeout) // the first three
///     .die_at(DiePoint::After(Op::Retry), 2); // the second
/// # let _ = plan;
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FaultPlan {
    rules: Vec<FaultRule>,
}

impl FaultPlan {
    /// The empty plan: no call fails.
    pub fn new() -> Self {
        Self::default()
    }

    /// `op` fails with `fault` in `times` calls, starting with call number `from`. Calls are numbered from
    /// 1.
    #[must_use]
    pub fn on(mut self, op: Op, from: u32, times: u32, fault: Fault) -> Self {
        self.rules.push(FaultRule { op, from, times, fault });
        self
    }

    /// The process dies when it reaches `point` for the `nth` time, counted from 1.
    #[must_use]
    pub fn die_at(self, point: DiePoint, nth: u32) -> Self {
        match point {
            DiePoint::Before(op) => self.on(op, nth, 1, Fault::DieBefore),
            DiePoint::After(op) => self.on(op, nth, 1, Fault::DieAfter),
        }
    }

    /// The fault of the `nth` call of `op`, if it has one.
    pub(super) fn fault(&self, op: Op, nth: u32) -> Option<Fault> {
        self.rules
            .iter()
            .find(|rule| rule.op == op && nth >= rule.from && nth - rule.from < rule.times)
            .map(|rule| rule.fault)
    }
}
