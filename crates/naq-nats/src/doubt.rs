//! [`Doubt`]: what makes a message suspect that the broker delivers for the first time.

use naq_core::Timestamp;

/// Which messages may have been settled before, although the broker delivers them for the first time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doubt {
    /// Messages up to this sequence may have been settled before the broker or the consumer last started.
    /// `None` if it is unknown: then every message may have been.
    pub(crate) settled_until: Option<u64>,
    /// Messages up to this sequence are older than the connection. `None` if it is unknown.
    pub(crate) older_until: Option<u64>,
    /// The broker may move due jobs to the queue twice now, because it may have started lately.
    pub(crate) check_late: bool,
    /// The broker may have moved jobs to the queue twice until this time.
    pub(crate) moved_after: Option<Timestamp>,
}

impl Doubt {
    /// Whether a message that this sequence names may have been settled before.
    pub(crate) fn maybe_settled(&self, seq: u64) -> bool {
        self.settled_until.is_none_or(|until| seq <= until)
    }

    /// Whether the broker may have moved this message to the queue twice. `is_late` says whether it was
    /// moved later than the broker's timer explains.
    pub(crate) fn maybe_repeated(
        &self,
        seq: u64,
        moved_at: Timestamp,
        is_late: impl FnOnce() -> bool,
    ) -> bool {
        if self.moved_after.is_some_and(|start| moved_at <= start) {
            return true;
        }
        let check = self.check_late || self.older_until.is_none_or(|until| seq <= until);
        check && is_late()
    }
}
