//! [`Coalesce`]: what the caller has said about other enqueues of the same key.

use std::time::Duration;

use naq_core::flow::{Debounce, Unique, throttle};
use naq_core::names::TaskName;

/// What the caller has said about other enqueues of the same key.
#[derive(Debug, Clone, Default)]
pub(super) struct Coalesce {
    pub(super) debounce: Option<(String, Duration)>,
    pub(super) max_wait: Option<Duration>,
    pub(super) throttle: Option<(String, Duration)>,
}

impl Coalesce {
    /// The unique key that follows. `Err` says which options exclude each other, or what is out of range.
    pub(super) fn unique(&self, task: &TaskName) -> Result<Option<Unique>, String> {
        match (self.debounce()?, &self.throttle) {
            (None, None) => Ok(None),
            (None, Some((key, every))) => throttle(task, key, *every).map(Some),
            (Some(debounce), None) => Ok(Some(debounce.unique(task))),
            (Some(_), Some(_)) => {
                Err("both debounce and throttle: one of them is enough".to_owned())
            }
        }
    }

    pub(super) fn debounce(&self) -> Result<Option<Debounce>, String> {
        let Some((key, wait)) = &self.debounce else {
            return match self.max_wait {
                Some(_) => Err("max_wait needs a debounce".to_owned()),
                None => Ok(None),
            };
        };
        let debounce = Debounce { max_wait: self.max_wait, ..Debounce::new(key, *wait) };
        debounce.check().map(|()| Some(debounce))
    }
}
