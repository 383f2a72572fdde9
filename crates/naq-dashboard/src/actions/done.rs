//! [`done`] and [`tried`]: an action is recorded, whether it is known to be done or not.

use axum::http::StatusCode;
use naq_client::AuditEntry;

use super::{ActionError, Answer};
use crate::app::App;

/// Records the action. What is done is done, also where it could not be written down; then the
/// answer says so. `next` is a path below the prefix.
pub(super) async fn done(app: &App, entry: AuditEntry, message: String, next: &str) -> Answer {
    let message = match record(app, entry).await {
        true => message,
        false => format!("{message} This could not be recorded."),
    };
    Answer { message, next: Some(format!("{}{next}", app.options.prefix)), html: None }
}

/// What came of an action. The broker may have done what it did not answer, wholly or in part: that
/// is recorded too.
pub(super) async fn tried<T, E: Into<ActionError>>(
    app: &App,
    entry: &AuditEntry,
    outcome: Result<T, E>,
) -> Result<T, ActionError> {
    let err = match outcome {
        Ok(came) => return Ok(came),
        Err(err) => err.into(),
    };
    if err.status != StatusCode::BAD_GATEWAY {
        return Err(err);
    }
    let scope = format!("{}; outcome unknown: {}", entry.scope, err.message);
    let attempt = AuditEntry::new(&entry.who, &entry.what, scope).reason(&entry.reason);
    record(app, attempt).await;
    let look = "Whether it was done is not known: look before you try again.";
    Err(ActionError { message: format!("{}. {look}", err.message), ..err })
}

async fn record(app: &App, entry: AuditEntry) -> bool {
    let recorded = app.client.audit(entry).await;
    if let Err(err) = &recorded {
        tracing::warn!("an action of the dashboard could not be recorded: {err}");
    }
    recorded.is_ok()
}
