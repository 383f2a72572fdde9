//! What visitors do: each a POST below `/act`, answered with an [`Answer`], recorded.

mod answer;

use axum::Router;

use crate::app::App;

pub(crate) use answer::{ActionError, Answer};

/// One line a noun.
pub(crate) fn routes() -> Router<App> {
    Router::new()
}
