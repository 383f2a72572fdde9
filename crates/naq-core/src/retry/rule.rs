//! [`Rule`]: which rule decided, as a stable name.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The rule that decided what follows an attempt. Its name is stable; scripts may rely on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[$doc])* $name,)*
        }

        impl Rule {
            /// Every rule, in the order of the decision.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable name, in snake_case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

rules! {
    /// The attempt succeeded.
    Succeeded = "succeeded",
    /// The handler cancelled the job.
    Cancel = "cancel",
    /// The handler asked to run again later, without counting an attempt.
    Snooze = "snooze",
    /// The handler said that the failure will not pass.
    Fatal = "fatal",
    /// The job has killed its workers too often.
    MaxCrashes = "max_crashes",
    /// The attempts are used up.
    MaxRetries = "max_retries",
    /// The kind is one that is never retried.
    IgnoreOn = "ignore_on",
    /// The kind is not among those that are retried.
    RetryOn = "retry_on",
    /// The retry would start too long after the first attempt.
    RetryFor = "retry_for",
    /// The attempt would start after the job's deadline.
    Deadline = "deadline",
    /// A retry, after the delay that the handler asked for.
    RetryAfter = "retry_after",
    /// A retry, after the delay that the policy gives.
    Strategy = "strategy",
    /// The jobs that it depends on: it waits for them, or they ended so that it must not run.
    Dependencies = "dependencies",
    /// A limit on how many of its kind run at once, or start in a time.
    Limit = "limit",
    /// A circuit breaker that is open: what the job needs is known to be down.
    Breaker = "breaker",
    /// An operator has paused the task.
    Paused = "paused",
    /// The retry budget: as many retries as may start have started.
    Budget = "budget",
    /// A unique key that the job holds and cannot let go of.
    Unique = "unique",
    /// A retry was not made, or failed too; the fallback handler ran instead.
    Fallback = "fallback",
    /// The message could not be decoded.
    Undecodable = "undecodable",
    /// No worker knew the task in time.
    UnknownTask = "unknown_task",
    /// A rule of a newer version of NAQ, read from what it wrote.
    Unknown = "unknown",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

/// A name that is not known is [`Rule::Unknown`]: an old reader can read what a newer worker wrote.
impl FromStr for Rule {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(Self::ALL.iter().copied().find(|rule| rule.as_str() == name).unwrap_or(Self::Unknown))
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Ok(rule) = String::deserialize(d)?.parse();
        Ok(rule)
    }
}
