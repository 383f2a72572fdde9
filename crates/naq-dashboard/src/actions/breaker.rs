//! Close a circuit breaker.

use std::time::Duration;

use axum::Router;
use axum::routing::post;

use super::request::ActionRequest;
use super::{ActionError, ActionReply};
use crate::access::Touched;
use crate::app::App;
use crate::user::Role;
use crate::view::{clip, span};

/// How long a breaker recovers after it is closed: as with `naq breaker close`.
const RECOVERY: Duration = Duration::from_secs(30);

pub(super) fn routes() -> Router<App> {
    Router::new().route("/breaker/close", post(close))
}

async fn close(request: ActionRequest) -> Result<ActionReply, ActionError> {
    // A breaker holds the jobs of any queue.
    request.allow(Role::Operate, Touched::All)?;
    let key: String = request.form.required("key")?;
    let next = request.return_path("/");
    let name = clip(&key, 100);
    let client = request.client();
    if !client.breaker(&key).await?.is_stored() {
        // The audit log has only what was done.
        let reply = ActionReply::message(format!("Breaker {name} is closed already."));
        return Ok(ActionReply { next: Some(next), ..reply });
    }
    let action = request.audited("close", format!("breaker {key}"));
    action.run(client.close_breaker(&key, RECOVERY)).await?;
    let recovery = span(RECOVERY);
    let message =
        format!("Closed: breaker {name}. For {recovery} a growing share of its jobs may start.");
    Ok(action.done(message, next).await)
}
