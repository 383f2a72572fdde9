//! [`JobName`]: a job as a user names it, `ID` or `QUEUE/ID`, as the lists print it.

use std::fmt;
use std::str::FromStr;

use naq_core::names::NameError;
use naq_core::transport::JobKey;
use naq_core::{JobId, QueueName};

use crate::exit::CliError;

/// An id, with its queue if the user gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobName {
    queue: Option<QueueName>,
    pub(crate) id: JobId,
}

impl JobName {
    /// The queue, by the name or by `--queue`. `None` if the user gave none.
    ///
    /// # Errors
    /// A usage error if the two are different queues.
    pub(crate) fn queue(&self, option: Option<&QueueName>) -> Result<Option<QueueName>, CliError> {
        match (&self.queue, option) {
            (Some(named), Some(option)) if named != option => Err(CliError::usage(format!(
                "{self} is in queue {named}, but --queue says {option}"
            ))
            .next("leave out --queue")),
            (named, option) => Ok(named.as_ref().or(option).cloned()),
        }
    }
}

impl FromStr for JobName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains('/') {
            let JobKey { queue, id } = text.parse()?;
            return Ok(Self { queue: Some(queue), id });
        }
        Ok(Self { queue: None, id: JobId::new(text)? })
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.queue {
            Some(queue) => write!(f, "{queue}/{}", self.id),
            None => self.id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_by_its_id_alone_or_with_its_queue() {
        let name = |text: &str| text.parse::<JobName>().expect("a name");
        let queue = |text: &str| QueueName::new(text).expect("a queue");
        assert_eq!(name("job-1").queue(None).expect("none"), None);
        assert_eq!(name("job-1").queue(Some(&queue("mail"))).expect("one"), Some(queue("mail")));
        assert_eq!(name("mail/job-1").queue(None).expect("one"), Some(queue("mail")));
        assert_eq!(
            name("mail/job-1").queue(Some(&queue("mail"))).expect("one"),
            Some(queue("mail"))
        );
        assert!(name("mail/job-1").queue(Some(&queue("sms"))).is_err());
        assert_eq!(
            (name("mail/job-1").to_string(), name("mail/job-1").id.to_string()),
            ("mail/job-1".into(), "job-1".into())
        );
        for bad in ["", "/", "a/", "/a", "a/b/c"] {
            assert!(bad.parse::<JobName>().is_err(), "{bad}");
        }
    }
}
