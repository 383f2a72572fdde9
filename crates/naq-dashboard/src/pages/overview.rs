//! Overview: what happens now, in ten seconds.

use askama::Template;

use super::{Content, PageError, Tab};
use crate::scene::Scene;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    queues: usize,
    workers: usize,
}

pub(super) fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let snapshot = &scene.snapshot;
    let page = Overview { queues: snapshot.queues.len(), workers: snapshot.workers.len() };
    Ok(Content { title: "Overview".into(), tab: Tab::Overview, body: page.render()? })
}
