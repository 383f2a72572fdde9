//! [`AuditedAction`]: an action with its audit entry.

use axum::http::StatusCode;
use naq_client::AuditEntry;

use super::{ActionError, ActionReply};
use crate::app::App;

/// One action. Its entry goes to the audit log when the action is done, and also when the broker did
/// not answer, so that the outcome is unknown.
#[derive(Debug)]
pub(super) struct AuditedAction<'a> {
    app: &'a App,
    entry: AuditEntry,
}

impl<'a> AuditedAction<'a> {
    pub(super) fn new(app: &'a App, entry: AuditEntry) -> Self {
        Self { app, entry }
    }

    /// How many things the action changed.
    pub(super) fn count(self, count: u64) -> Self {
        Self { entry: self.entry.count(count), ..self }
    }

    /// Runs a request of the action. The broker may have executed a request that it did not answer,
    /// or a part of it: the audit log then says that the outcome is unknown.
    pub(super) async fn run<T, E: Into<ActionError>>(
        &self,
        request: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ActionError> {
        let err = match request.await {
            Ok(value) => return Ok(value),
            Err(err) => err.into(),
        };
        if err.status != StatusCode::BAD_GATEWAY {
            return Err(err);
        }
        let AuditEntry { who, what, scope, reason, .. } = &self.entry;
        let scope = format!("{scope}; outcome unknown: {}", err.message);
        write_audit(self.app, AuditEntry::new(who, what, scope).reason(reason)).await;
        let message = format!(
            "{}. It is not known whether the action was done: check before you try again.",
            err.message
        );
        Err(ActionError { message, ..err })
    }

    /// Writes the audit entry and replies; `next` is the link to go to. If the entry cannot be
    /// written, the action is still done, and the reply says so.
    pub(super) async fn done(self, message: String, next: String) -> ActionReply {
        let message = match write_audit(self.app, self.entry).await {
            true => message,
            false => format!("{message} This could not be written to the audit log."),
        };
        ActionReply { message, next: Some(next), html: None }
    }
}

async fn write_audit(app: &App, entry: AuditEntry) -> bool {
    let written = app.client.audit(entry).await;
    if let Err(err) = &written {
        tracing::warn!("the dashboard cannot write an action to the audit log: {err}");
    }
    written.is_ok()
}
