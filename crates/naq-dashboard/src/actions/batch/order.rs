//! [`Order`]: what a form asks to do, and on what.

use std::hash::{DefaultHasher, Hash, Hasher};

use naq_client::{BatchAction, BatchItem, BatchScope, DeadFilter, WaitingFilter};
use serde_json::json;

use crate::actions::ActionError;
use crate::actions::asked::Asked;

/// Read from a form.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub(super) action: BatchAction,
    pub(super) scope: BatchScope,
}

impl Order {
    pub(super) fn read(asked: &Asked) -> Result<Self, ActionError> {
        Ok(Self { action: action(asked)?, scope: scope(asked)? })
    }

    /// Whether it is about more than one, or may be.
    pub(super) fn is_many(&self) -> bool {
        match &self.scope {
            BatchScope::Letters(items) | BatchScope::Jobs(items) => items.len() > 1,
            _ => true,
        }
    }

    /// What one agrees to who has seen the preview: the deed with its terms, and which of them. The
    /// count of a filter may change under the hand. Known to the process that made the preview.
    pub(super) fn agreed(&self) -> String {
        let (action, scope) = (json!(self.action), json!(self.scope));
        let mut hash = DefaultHasher::new();
        (action.to_string(), scope.to_string()).hash(&mut hash);
        format!("{} {:016x}", self.action.verb(), hash.finish())
    }
}

fn action(asked: &Asked) -> Result<BatchAction, ActionError> {
    let rate = asked.read::<f64>("per_second")?;
    let missing = |what: &str| ActionError::bad(format!("say {what}"));
    Ok(match asked.get("verb") {
        Some("requeue") => BatchAction::RequeueDead { per_second: rate },
        Some("purge") => BatchAction::PurgeDead,
        Some("release") => BatchAction::Release,
        Some("cancel") => BatchAction::Cancel,
        Some("spread") => BatchAction::Spread {
            over: asked.span("over")?.ok_or_else(|| missing("over how long, as 10m"))?,
        },
        Some("drip") => {
            BatchAction::Drip { per_second: rate.ok_or_else(|| missing("how many a second"))? }
        }
        _ => return Err(missing("what to do")),
    })
}

fn scope(asked: &Asked) -> Result<BatchScope, ActionError> {
    Ok(match asked.get("scope") {
        Some("letters") => {
            let items = asked.all("item").map(item).collect::<Result<Vec<_>, _>>()?;
            if items.is_empty() {
                return Err(ActionError::bad("nothing is selected"));
            }
            BatchScope::Letters(items)
        }
        Some("dead") => BatchScope::Dead(DeadFilter {
            queue: asked.read("queue")?,
            error_kind: asked.read("kind")?,
            task: asked.read("task")?,
            id: asked.read("id")?,
            pattern: pattern(asked),
        }),
        Some("waiting") => BatchScope::Waiting(WaitingFilter {
            queue: asked.read("queue")?,
            task: asked.read("task")?,
            error_kind: asked.read("kind")?,
            pattern: pattern(asked),
        }),
        _ => return Err(ActionError::bad("say on what")),
    })
}

/// A pattern may be empty: the group of failures without a message. Then its kind is named.
fn pattern(asked: &Asked) -> Option<String> {
    asked.given("pattern").map(str::to_owned)
}

/// `queue/id@sequence`.
fn item(text: &str) -> Result<BatchItem, ActionError> {
    let read = || {
        let (job, seq) = text.rsplit_once('@')?;
        Some(BatchItem { job: job.parse().ok()?, seq: seq.parse().ok()? })
    };
    read().ok_or_else(|| ActionError::bad("a selected letter is none: load the page again"))
}
