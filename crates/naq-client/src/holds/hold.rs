//! [`Hold`]: one thing that holds jobs.

use std::fmt;

use naq_core::clock::Timestamp;
use naq_core::names::QueueName;
use serde::Serialize;

use super::HoldCause;

/// One thing that holds jobs: what it is, since when, until when, and how many jobs it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Hold {
    /// Its kind.
    pub cause: HoldCause,
    /// The queue of the jobs. `None` for a breaker of which no held job was found.
    pub queue: Option<QueueName>,
    /// The key of the breaker or limit, the task or queue of the budget, the paused task. `None` for a
    /// cause that belongs to the queue alone.
    pub name: Option<String>,
    /// How many jobs it holds, of those that were read.
    pub jobs: u64,
    /// Whether it may hold more jobs than `jobs`, because not all waiting jobs were read.
    pub at_least: bool,
    /// Since when, if that is known.
    pub since: Option<Timestamp>,
    /// When it ends by itself. `None` if that is not known, or if an operator must end it.
    pub until: Option<Timestamp>,
    /// Why, in one sentence without a full stop.
    pub reason: String,
}

impl Hold {
    /// How many jobs it holds, as text: `420`, or `1000 or more`.
    pub fn jobs_text(&self) -> String {
        match self.at_least {
            true => format!("{} or more", self.jobs),
            false => self.jobs.to_string(),
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
