//! [`BatchRequest`]: what a form asks to do, and with which jobs.

use std::hash::{DefaultHasher, Hash, Hasher};

use naq_client::{BatchAction, BatchItem, BatchScope, DeadFilter, WaitingFilter};
use serde_json::json;

use crate::actions::ActionError;
use crate::actions::form_fields::FormFields;

/// An action and its scope, read from a form.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BatchRequest {
    pub(super) action: BatchAction,
    pub(super) scope: BatchScope,
}

impl BatchRequest {
    pub(super) fn read(form: &FormFields) -> Result<Self, ActionError> {
        Ok(Self { action: action(form)?, scope: scope(form)? })
    }

    /// Whether the scope has, or may have, more than one job.
    pub(super) fn is_bulk(&self) -> bool {
        match &self.scope {
            BatchScope::Letters(items) | BatchScope::Jobs(items) => items.len() > 1,
            _ => true,
        }
    }

    /// The fingerprint of action and scope that the start button sends back: the batch that starts is
    /// the batch of the preview. It leaves the count out, which may change meanwhile. Valid only in
    /// the process that made the preview.
    pub(super) fn fingerprint(&self) -> String {
        let action = json!(self.action).to_string();
        let scope = json!(self.scope).to_string();
        let mut hash = DefaultHasher::new();
        (action, scope).hash(&mut hash);
        format!("{} {:016x}", self.action.verb(), hash.finish())
    }
}

fn action(form: &FormFields) -> Result<BatchAction, ActionError> {
    let rate = form.read::<f64>("per_second")?;
    let missing = ActionError::bad_request;
    Ok(match form.get("verb") {
        Some("requeue") => BatchAction::RequeueDead { per_second: rate },
        Some("purge") => BatchAction::PurgeDead,
        Some("release") => BatchAction::Release,
        Some("cancel") => BatchAction::Cancel,
        Some("spread") => {
            let over = form.span("over")?;
            let over = over.ok_or_else(|| missing("give the span to spread over, such as 10m"))?;
            BatchAction::Spread { over }
        }
        Some("drip") => {
            let per_second = rate.ok_or_else(|| missing("give the number of jobs a second"))?;
            BatchAction::Drip { per_second }
        }
        _ => return Err(missing("choose an action")),
    })
}

fn scope(form: &FormFields) -> Result<BatchScope, ActionError> {
    Ok(match form.get("scope") {
        Some("letters") => {
            let items = form.all("item").map(item).collect::<Result<Vec<_>, _>>()?;
            if items.is_empty() {
                return Err(ActionError::bad_request("no dead letter is selected"));
            }
            BatchScope::Letters(items)
        }
        Some("dead") => BatchScope::Dead(DeadFilter {
            queue: form.read("queue")?,
            error_kind: form.read("kind")?,
            task: form.read("task")?,
            id: form.read("id")?,
            pattern: pattern(form),
        }),
        Some("waiting") => BatchScope::Waiting(WaitingFilter {
            queue: form.read("queue")?,
            task: form.read("task")?,
            error_kind: form.read("kind")?,
            pattern: pattern(form),
        }),
        _ => return Err(ActionError::bad_request("choose the jobs for the action")),
    })
}

/// An empty pattern is a pattern: it names the error group without a message.
fn pattern(form: &FormFields) -> Option<String> {
    form.raw("pattern").map(str::to_owned)
}

/// `queue/id@sequence`.
fn item(text: &str) -> Result<BatchItem, ActionError> {
    let parse = || {
        let (job, seq) = text.rsplit_once('@')?;
        Some(BatchItem { job: job.parse().ok()?, seq: seq.parse().ok()? })
    };
    let message = "a selected dead letter cannot be read: reload the page";
    parse().ok_or_else(|| ActionError::bad_request(message))
}
