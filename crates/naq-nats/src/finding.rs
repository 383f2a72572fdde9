//! [`Finding`]: the result of one check of the broker.

use serde::Serialize;

use crate::error::ApiError;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As NAQ needs it.
    Ok,
    /// Works, but the operator should know.
    Warn,
    /// Does not work.
    Fail,
}

/// The result of one check of [`NatsTransport::diagnose`](crate::NatsTransport::diagnose).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked: `server`, `clock`, `stream NAQ_Q_mail`, `publish to naq.d`.
    pub check: String,
    /// The result.
    pub level: Level,
    /// What was found.
    pub detail: String,
    /// What to do about it. `None` if the result is [`Level::Ok`].
    pub next_step: Option<String>,
}

pub(crate) fn finding(
    check: impl Into<String>,
    level: Level,
    detail: impl Into<String>,
) -> Finding {
    Finding { check: check.into(), level, detail: detail.into(), next_step: None }
}

impl Finding {
    pub(crate) fn with_next_step(mut self, next: &str) -> Self {
        self.next_step = Some(next.to_owned());
        self
    }
}

/// The finding about something that this user may not see.
pub(crate) fn not_visible(check: String, error: &ApiError) -> Finding {
    let next = "give this user the permission (docs/operating.md), or run the check as an operator";
    match error {
        ApiError::Transport(error) => {
            finding(check, Level::Warn, error.to_string()).with_next_step(next)
        }
        ApiError::Refused(refusal) => {
            finding(check, Level::Warn, &*refusal.description).with_next_step(next)
        }
        ApiError::NoResponders => finding(check, Level::Fail, "no reply").with_next_step(
            "wait for the cluster to elect a leader, or check whether JetStream is enabled",
        ),
    }
}
