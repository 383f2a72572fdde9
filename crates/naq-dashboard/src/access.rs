//! [`Access`]: who asks, and what they may do.

/// Somebody who has been let in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Access {
    /// Their login; `local` where none is needed.
    pub(crate) who: String,
    /// Whether they may change anything.
    pub(crate) may_act: bool,
}
