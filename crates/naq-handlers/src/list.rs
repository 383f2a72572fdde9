//! [`TaskList`]: the tasks that a service or a command says it has.

use std::time::Duration;

use naq_core::{NameError, TaskName};
use serde::Deserialize;

/// As many slots as a worker may have.
pub(crate) const MAX_CONCURRENCY: usize = 10_000;

/// The tasks of a service or a command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TaskList {
    /// Each task, with its timeout if it has one.
    pub(crate) tasks: Vec<(TaskName, Option<Duration>)>,
    /// How many attempts it runs at once.
    pub(crate) concurrency: Option<usize>,
}

/// An answer that is no list of tasks.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It has another form.
    #[error("it is no list of tasks, such as {{\"v\":1,\"tasks\":[\"email.send\"]}}: {0}")]
    Form(#[from] serde_json::Error),
    /// A name is not one of a task.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It runs none, or more than a worker has slots.
    #[error("concurrency {0}: use 1 to {MAX_CONCURRENCY}")]
    Concurrency(u64),
    /// It has no tasks.
    #[error("it lists no tasks")]
    Empty,
}

#[derive(Deserialize)]
struct Listed {
    tasks: Vec<ListedTask>,
    concurrency: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ListedTask {
    Name(String),
    Full { name: String, timeout_ms: Option<u64> },
}

impl TaskList {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ListError> {
        let Listed { tasks, concurrency } = serde_json::from_slice(body)?;
        if tasks.is_empty() {
            return Err(ListError::Empty);
        }
        let task = |task| {
            let (name, timeout) = match task {
                ListedTask::Name(name) => (name, None),
                ListedTask::Full { name, timeout_ms } => (name, timeout_ms),
            };
            Ok((TaskName::new(name)?, timeout.map(Duration::from_millis)))
        };
        let tasks = tasks.into_iter().map(task).collect::<Result<_, NameError>>()?;
        let concurrency = concurrency.map(|n| match usize::try_from(n) {
            Ok(slots @ 1..=MAX_CONCURRENCY) => Ok(slots),
            _ => Err(ListError::Concurrency(n)),
        });
        Ok(Self { tasks, concurrency: concurrency.transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_names_or_objects() {
        let body =
            br#"{"v":1,"tasks":["a",{"name":"b.c","timeout_ms":500,"new":1}],"concurrency":4}"#;
        let list = TaskList::parse(body).expect("a list");
        let name = |name| TaskName::new(name).expect("a task");
        let half = Some(Duration::from_millis(500));
        assert_eq!(list.tasks, [(name("a"), None), (name("b.c"), half)]);
        assert_eq!(list.concurrency, Some(4));
    }

    #[test]
    fn what_is_no_list_is_an_error_that_shows_one() {
        for (body, error) in [
            (&b"hello"[..], "such as"),
            (br#"{"tasks":[]}"#, "no tasks"),
            (br#"{"tasks":["no name"]}"#, "no name"),
            (br#"{"tasks":["a"],"concurrency":0}"#, "use 1 to 10000"),
            (br#"{"tasks":["a"],"concurrency":18446744073709551615}"#, "use 1 to 10000"),
        ] {
            let err = TaskList::parse(body).expect_err("no list").to_string();
            assert!(err.contains(error), "{err}");
        }
    }
}
