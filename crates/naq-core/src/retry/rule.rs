//! [`Rule`]: which rule decided, as a stable name.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The rule that decided what follows an attempt. Its name is stable: programs may rely on it.
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
    /// What ran the handler died. The job runs again, and its crashes are counted.
    Crash = "crash",
    /// The handler said that a retry cannot succeed.
    Fatal = "fatal",
    /// The job has crashed `max_crashes` workers.
    MaxCrashes = "max_crashes",
    /// No retry is left.
    MaxRetries = "max_retries",
    /// The policy never retries this error kind.
    IgnoreOn = "ignore_on",
    /// The policy does not retry this error kind.
    RetryOn = "retry_on",
    /// The retry would start too long after the first attempt.
    RetryFor = "retry_for",
    /// The attempt would start after the job's deadline.
    Deadline = "deadline",
    /// A retry, after the delay that the handler asked for.
    RetryAfter = "retry_after",
    /// A retry, after the delay that the policy gives.
    Strategy = "strategy",
    /// A dependency: the job waits for its parents, or their ends do not let it run.
    Dependencies = "dependencies",
    /// A limit on how many jobs of one key run at once, or start within a period.
    Limit = "limit",
    /// A circuit breaker is open because calls to the same service have failed.
    Breaker = "breaker",
    /// An operator has paused the task.
    Paused = "paused",
    /// The retry budget has no token left for a retry.
    Budget = "budget",
    /// A unique key of the job, which could not be taken or returned.
    Unique = "unique",
    /// The failure would have ended the job, and the fallback handler ran instead.
    Fallback = "fallback",
    /// The message could not be decoded.
    Undecodable = "undecodable",
    /// The queue takes only signed jobs, and the signature of this one is missing or not accepted.
    Signature = "signature",
    /// The arguments are encrypted, and no worker that can decrypt them took the job in time.
    Encryption = "encryption",
    /// The arguments are in a blob that is not stored, or that no worker may read.
    Arguments = "arguments",
    /// No worker that knows the task took the job in time.
    UnknownTask = "unknown_task",
    /// A rule of a newer version of NAQ, read from a message.
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

/// An unknown name becomes [`Rule::Unknown`], so that an old reader can read what a newer worker
/// wrote.
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
