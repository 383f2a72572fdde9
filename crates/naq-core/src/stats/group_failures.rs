//! [`GroupFailures`]: how many failures an error group has, and what followed.

use super::ErrorGroup;

/// The failures of one error group in a time bucket or a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct GroupFailures {
    pub(super) count: u64,
    pub(super) retried: u64,
    pub(super) dead: u64,
}

impl GroupFailures {
    pub(super) fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.retried = self.retried.saturating_add(other.retried);
        self.dead = self.dead.saturating_add(other.dead);
    }

    pub(super) fn remove(&mut self, other: Self) {
        self.count = self.count.saturating_sub(other.count);
        self.retried = self.retried.saturating_sub(other.retried);
        self.dead = self.dead.saturating_sub(other.dead);
    }
}

impl From<&ErrorGroup> for GroupFailures {
    fn from(group: &ErrorGroup) -> Self {
        Self { count: group.count, retried: group.retried, dead: group.dead }
    }
}
