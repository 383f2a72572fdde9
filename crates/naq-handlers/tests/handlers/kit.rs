//! What the tests share.

use std::path::Path;

use naq_client::JobHandle;
use naq_handlers::{HandlerSources, Handlers, HandlersError};
use naq_worker::Registry;
use naq_worker::testing::{Harness, JobView};
use serde_json::{Value, json};

/// A worker whose handlers are those of this `naq.toml`.
pub(crate) fn worker(toml: &str) -> Harness {
    let handlers = handlers(toml).expect("handlers");
    Harness::new(handlers.register(Registry::new()).expect("no task twice"))
}

pub(crate) fn handlers(toml: &str) -> Result<Handlers, HandlersError> {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("naq.toml");
    std::fs::write(&file, toml).expect("write");
    let mut sources = HandlerSources::default();
    sources.file = Some(file);
    Handlers::new(&sources)
}

/// Enqueues a job of the task `t` and runs what is due.
pub(crate) async fn run(harness: &Harness) -> JobView {
    let job = enqueue(harness, json!({"to": "ä"})).await;
    harness.drain().await;
    harness.job(&job)
}

pub(crate) async fn enqueue(harness: &Harness, args: Value) -> JobHandle<Value> {
    harness.client().enqueue_task("t", &args).expect("a task").await.expect("stored")
}

/// The lines of a file, none if there is no file.
pub(crate) fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The error and the message of the last attempt.
pub(crate) fn last_message(job: &JobView) -> &str {
    job.history().last().and_then(|entry| entry.message.as_deref()).unwrap_or_default()
}
