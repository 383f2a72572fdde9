//! What is around every page: the way to the others, what is stale, what storms.

use askama::Template;

use super::PageError;
use crate::assets;
use crate::scene::Scene;
use crate::view::{Moment, clean};

/// A page without what is around it.
#[derive(Debug)]
pub(crate) struct Content {
    /// For the title of the window, and the heading.
    pub(crate) title: String,
    /// Which entry of the navigation it belongs to.
    pub(crate) tab: Tab,
    /// HTML.
    pub(crate) body: String,
}

/// The entries of the navigation, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tab {
    Overview,
    Queues,
    Jobs,
    Retries,
    Helping,
    Failures,
    Dead,
    Simulator,
    Schedules,
    Workflows,
    Workers,
    Broker,
    Audit,
    /// A page that is in none of them.
    None,
}

impl Tab {
    const ALL: [Self; 13] = [
        Self::Overview,
        Self::Queues,
        Self::Jobs,
        Self::Retries,
        Self::Helping,
        Self::Failures,
        Self::Dead,
        Self::Simulator,
        Self::Schedules,
        Self::Workflows,
        Self::Workers,
        Self::Broker,
        Self::Audit,
    ];

    /// Words, path, and the key that leads there after `g`.
    fn entry(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Overview => ("Overview", "/", "o"),
            Self::Queues => ("Queues", "/queues", "q"),
            Self::Jobs => ("Jobs", "/jobs", "j"),
            Self::Retries => ("Retries", "/retries", "r"),
            Self::Helping => ("Does retrying help?", "/helping", "h"),
            Self::Failures => ("Failures", "/failures", "f"),
            Self::Dead => ("Dead letters", "/dead", "d"),
            Self::Simulator => ("Policy simulator", "/simulator", "p"),
            Self::Schedules => ("Schedules", "/schedules", "s"),
            Self::Workflows => ("Workflows", "/workflows", "w"),
            Self::Workers => ("Workers", "/workers", "e"),
            Self::Broker => ("Broker", "/broker", "b"),
            Self::Audit => ("What was done", "/audit", "a"),
            Self::None => ("", "", ""),
        }
    }
}

struct Entry {
    words: &'static str,
    link: String,
    key: &'static str,
    here: bool,
}

#[derive(Template)]
#[template(path = "layout.html")]
struct Layout<'a> {
    title: &'a str,
    body: &'a str,
    prefix: &'a str,
    version: u32,
    now: String,
    environment: Option<String>,
    who: String,
    may_act: bool,
    entries: Vec<Entry>,
    problem: Option<String>,
    stale_since: Option<Moment>,
    storms: Vec<String>,
}

pub(super) fn render(scene: &Scene<'_>, content: Content) -> Result<String, PageError> {
    let snapshot = &scene.snapshot;
    let entry = |tab: Tab| {
        let (words, path, key) = tab.entry();
        Entry { words, link: scene.link(path), key, here: tab == content.tab }
    };
    let layout = Layout {
        title: &content.title,
        body: &content.body,
        prefix: &scene.app.options.prefix,
        version: assets::VERSION,
        now: scene.now().to_string(),
        environment: scene.app.options.environment.as_deref().map(clean),
        who: clean(&scene.access.who),
        may_act: scene.access.may_act,
        entries: Tab::ALL.map(entry).into(),
        problem: match (&snapshot.problem, snapshot.read_at) {
            (Some(problem), _) => Some(clean(problem)),
            (None, None) => Some("the first look at the broker is under way".to_owned()),
            (None, Some(_)) => None,
        },
        stale_since: snapshot.stale_since().map(|at| Moment::new(at, scene.now())),
        storms: snapshot.storms.iter().map(|storm| clean(&storm.to_string())).collect(),
    };
    Ok(layout.render()?)
}
