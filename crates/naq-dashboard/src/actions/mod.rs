//! What visitors do: each a POST below `/act`, answered with an [`Answer`], recorded.

mod answer;
mod asked;
mod batch;
mod done;
mod job;
mod queue;
mod schedule;
mod storm;
mod whole;
mod worker;
mod workflow;

use axum::{Router, middleware};

use crate::app::App;

pub(crate) use answer::{ActionError, Answer};

/// One line a noun.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .merge(batch::routes())
        .merge(job::routes())
        .merge(schedule::routes())
        .merge(workflow::routes())
        .merge(queue::routes())
        .merge(storm::routes())
        .merge(worker::routes())
        .layer(middleware::from_fn(whole::to_the_end))
}
