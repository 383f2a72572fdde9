//! [`Access`]: who sends a request, and what they may do.

/// A visitor whose request has passed the guards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Access {
    /// The login; `local` if the dashboard has no logins.
    pub(crate) who: String,
    /// Whether the visitor may change anything.
    pub(crate) may_act: bool,
}
