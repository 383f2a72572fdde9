//! The audit log: who did what through the gateway.

use naq_client::{AuditEntry, Client};

use crate::guard::Access;

/// Writes an entry for an action that is done. If that fails, the action is still done, and the log says so.
pub(super) async fn record(
    client: &Client,
    access: &Access,
    what: &str,
    scope: &str,
    reason: &str,
) {
    let who = format!("{}@gateway", access.who());
    let entry = AuditEntry::new(who, what, scope).reason(reason).count(1);
    if let Err(err) = client.audit(entry).await {
        tracing::warn!("the gateway cannot write an action to the audit log: {err}");
    }
}
