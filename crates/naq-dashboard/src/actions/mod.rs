//! The actions of visitors. Each is a POST below `/act`, is written to the audit log, and is answered
//! with an [`ActionReply`].
//!
//! A handler takes an [`ActionRequest`](request::ActionRequest), names what it does with
//! [`audited`](request::ActionRequest::audited), runs the request to the broker, and replies.

mod action_reply;
mod audited;
mod batch;
mod breaker;
mod detached;
mod form_fields;
mod job;
mod pause_length;
mod queue;
mod request;
mod schedule;
mod task;
mod worker;
mod workflow;

use axum::{Router, middleware};

use crate::app::App;

pub(crate) use action_reply::{ActionError, ActionReply};

/// One line for each kind of thing that can be acted on.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .merge(batch::routes())
        .merge(breaker::routes())
        .merge(job::routes())
        .merge(schedule::routes())
        .merge(workflow::routes())
        .merge(queue::routes())
        .merge(task::routes())
        .merge(worker::routes())
        .layer(middleware::from_fn(detached::run_detached))
}
