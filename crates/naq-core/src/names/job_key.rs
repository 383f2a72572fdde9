//! [`JobKey`]: the queue and the id of a job.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{JobId, NameError, QueueName};

/// The queue and the id of a job, which together identify it. The text form is `queue/id`.
///
/// ```
/// use naq_core::names::JobKey;
///
/// let key: JobKey = "mail/job-1".parse()?;
/// assert_eq!(key.queue.as_str(), "mail");
/// assert_eq!(key.to_string(), "mail/job-1");
/// # Ok::<(), naq_core::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobKey {
    /// The queue.
    pub queue: QueueName,
    /// The id.
    pub id: JobId,
}

impl JobKey {
    /// The key of the job `id` in `queue`.
    pub fn new(queue: QueueName, id: JobId) -> Self {
        Self { queue, id }
    }
}

impl FromStr for JobKey {
    type Err = NameError;

    /// Reads `queue/id`. An id without a queue is in the queue `default`.
    fn from_str(text: &str) -> Result<Self, NameError> {
        Ok(match text.split_once('/') {
            Some((queue, id)) => Self::new(QueueName::new(queue)?, JobId::new(id)?),
            None => Self::new(QueueName::default(), JobId::new(text)?),
        })
    }
}

impl Serialize for JobKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.queue, self.id)
    }
}
