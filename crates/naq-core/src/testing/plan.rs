//! [`FaultPlan`]: which operation goes wrong, at which call, and how.

use super::{DiePoint, Op};

/// How an operation goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The process dies before it.
    DieBefore,
    /// The process dies after it took effect.
    DieAfter,
    /// It has no effect and answers `Unreachable`.
    Unreachable,
    /// It has no effect and answers `Rejected`, which will not change.
    Refused,
    /// It has no effect and answers `TooLarge`.
    TooLarge,
    /// It takes effect and answers `Timeout`. Of a fetch: what was handed out never arrives.
    Timeout,
    /// It has no effect and pretends that it had: a lost ack.
    Lost,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    op: Op,
    from: u32,
    times: u32,
    fault: Fault,
}

/// Plain data: what goes wrong, and when. The empty plan lets everything pass.
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
    rules: Vec<Rule>,
}

impl FaultPlan {
    /// Nothing goes wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// From its `from`th time on (1 is the first), `times` times, `op` meets with `fault`.
    #[must_use]
    pub fn on(mut self, op: Op, from: u32, times: u32, fault: Fault) -> Self {
        self.rules.push(Rule { op, from, times, fault });
        self
    }

    /// The process dies at the `nth` passing of `point` (1 is the first).
    #[must_use]
    pub fn die_at(self, point: DiePoint, nth: u32) -> Self {
        match point {
            DiePoint::Before(op) => self.on(op, nth, 1, Fault::DieBefore),
            DiePoint::After(op) => self.on(op, nth, 1, Fault::DieAfter),
        }
    }

    /// What the `nth` call of `op` meets with.
    pub(super) fn fault(&self, op: Op, nth: u32) -> Option<Fault> {
        self.rules
            .iter()
            .find(|rule| rule.op == op && nth >= rule.from && nth - rule.from < rule.times)
            .map(|rule| rule.fault)
    }
}
