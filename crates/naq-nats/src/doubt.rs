//! [`Doubt`]: what makes a message suspect that the broker delivers for the first time.

/// Which messages may have been settled before, although the broker delivers them for the first time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doubt {
    /// Messages up to this sequence may have been settled on an earlier connection. `None` if it is
    /// unknown: then every message may have been.
    pub(crate) settled_until: Option<u64>,
    /// The broker may have moved a due job to the queue twice.
    pub(crate) check_late: bool,
}
