//! [`done`]: an action is done, and recorded.

use naq_core::client::AuditEntry;

use super::Answer;
use crate::app::App;

/// Records the action. What is done is done, also where it could not be written down; then the
/// answer says so. `next` is a path below the prefix.
pub(super) async fn done(app: &App, entry: AuditEntry, message: String, next: &str) -> Answer {
    let message = match app.client.audit(entry).await {
        Ok(_) => message,
        Err(err) => {
            tracing::warn!("an action of the dashboard could not be recorded: {err}");
            format!("{message} This could not be recorded.")
        }
    };
    Answer { message, next: Some(format!("{}{next}", app.options.prefix)), html: None }
}
