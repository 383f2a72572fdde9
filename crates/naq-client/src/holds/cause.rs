//! [`HoldCause`]: the kinds of what can hold jobs.

use std::fmt;

use naq_core::retry::Rule;
use serde::{Serialize, Serializer};

/// What kind of thing holds jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HoldCause {
    /// No worker takes jobs from the queue.
    NoWorker,
    /// An operator has paused the queue.
    QueuePause,
    /// A circuit breaker is not closed.
    Breaker,
    /// An operator has paused the task in this queue.
    TaskPause,
    /// The queue stores as many jobs or bytes as it may. It refuses new jobs.
    FullQueue,
    /// The retry budget of a task or queue is used up.
    Budget,
    /// No worker has a handler for the task, or the key of its arguments.
    NoHandler,
    /// As many jobs of the queue run as its limit allows.
    QueueLimit,
    /// The limit or the rate of a key.
    Limit,
    /// The jobs that it depends on have not ended.
    Dependencies,
    /// A rule that this version of NAQ does not know.
    Other,
}

impl HoldCause {
    /// Every cause. Those that an operator should see first come first.
    pub const ALL: [Self; 11] = [
        Self::NoWorker,
        Self::QueuePause,
        Self::Breaker,
        Self::TaskPause,
        Self::FullQueue,
        Self::Budget,
        Self::NoHandler,
        Self::QueueLimit,
        Self::Limit,
        Self::Dependencies,
        Self::Other,
    ];

    /// The stable name, in snake_case: in JSON, and as the label `by` of `naq_held_jobs`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoWorker => "no_worker",
            Self::QueuePause => "queue_pause",
            Self::Breaker => "breaker",
            Self::TaskPause => "task_pause",
            Self::FullQueue => "full_queue",
            Self::Budget => "budget",
            Self::NoHandler => "no_handler",
            Self::QueueLimit => "queue_limit",
            Self::Limit => "limit",
            Self::Dependencies => "dependencies",
            Self::Other => "other",
        }
    }

    /// The cause that belongs to the rule in the record of a held job.
    pub const fn of_rule(rule: Rule) -> Self {
        match rule {
            Rule::Breaker => Self::Breaker,
            Rule::Limit => Self::Limit,
            Rule::Budget => Self::Budget,
            Rule::Paused => Self::TaskPause,
            Rule::Dependencies => Self::Dependencies,
            Rule::UnknownTask | Rule::Encryption => Self::NoHandler,
            _ => Self::Other,
        }
    }

    /// Whether an operator should look at it. Limits, rates and dependencies hold jobs in normal work.
    pub const fn needs_operator(self) -> bool {
        !matches!(self, Self::QueueLimit | Self::Limit | Self::Dependencies)
    }
}

impl fmt::Display for HoldCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for HoldCause {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}
