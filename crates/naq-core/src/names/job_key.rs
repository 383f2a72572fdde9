//! [`JobKey`]: a queue and an id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{JobId, NameError, QueueName};

/// A queue and an id: what names one job in the broker. Its text form is `queue/id`.
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
    /// Its queue.
    pub queue: QueueName,
    /// Its id.
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

    /// `queue/id`; an id alone is in the queue `default`.
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
