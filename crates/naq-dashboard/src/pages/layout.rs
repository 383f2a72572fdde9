//! The layout of every page: navigation, and banners about the broker and about retry storms.

use askama::Template;

use naq_core::transport::StreamReport;

use crate::assets;
use crate::page_request::PageRequest;
use crate::view::{RelativeTime, clean};

/// The content of a page, without the layout.
#[derive(Debug)]
pub(crate) struct PageContent {
    /// The title of the browser tab, and the heading.
    pub(crate) title: String,
    /// The entry of the navigation that is marked as current.
    pub(crate) tab: NavTab,
    /// The content as HTML.
    pub(crate) body: String,
}

/// The entries of the navigation, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NavTab {
    Overview,
    Queues,
    Jobs,
    Retries,
    RetryHelp,
    Failures,
    Dead,
    Simulator,
    Schedules,
    Workflows,
    Workers,
    Broker,
    Audit,
    /// For a page that belongs to no entry.
    None,
}

impl NavTab {
    const ALL: [Self; 13] = [
        Self::Overview,
        Self::Queues,
        Self::Jobs,
        Self::Retries,
        Self::RetryHelp,
        Self::Failures,
        Self::Dead,
        Self::Simulator,
        Self::Schedules,
        Self::Workflows,
        Self::Workers,
        Self::Broker,
        Self::Audit,
    ];

    /// Label, path, and the key that goes there after `g`.
    fn entry(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Overview => ("Overview", "/", "o"),
            Self::Queues => ("Queues", "/queues", "q"),
            Self::Jobs => ("Jobs", "/jobs", "j"),
            Self::Retries => ("Retries", "/retries", "r"),
            Self::RetryHelp => ("Does retrying help?", "/helping", "h"),
            Self::Failures => ("Failures", "/failures", "f"),
            Self::Dead => ("Dead letters", "/dead", "d"),
            Self::Simulator => ("Policy simulator", "/simulator", "p"),
            Self::Schedules => ("Schedules", "/schedules", "s"),
            Self::Workflows => ("Workflows", "/workflows", "w"),
            Self::Workers => ("Workers", "/workers", "e"),
            Self::Broker => ("Broker", "/broker", "b"),
            Self::Audit => ("Audit log", "/audit", "a"),
            Self::None => ("", "", ""),
        }
    }
}

struct NavEntry {
    words: &'static str,
    link: String,
    key: &'static str,
    here: bool,
}

#[derive(Template)]
#[template(path = "layout.html")]
struct PageLayout<'a> {
    title: &'a str,
    body: &'a str,
    prefix: &'a str,
    version: u32,
    now: String,
    environment: Option<String>,
    environment_color: &'static str,
    who: String,
    may_act: bool,
    /// The link that ends the login, if there is one.
    logout: Option<String>,
    entries: Vec<NavEntry>,
    problem: Option<String>,
    outdated_since: Option<RelativeTime>,
    /// What keeps the broker from storing jobs, or makes it remove them.
    store_faults: Vec<String>,
    storms: Vec<String>,
}

/// A limit of a stream that breaks a promise, in words.
fn eviction_words(stream: &StreamReport) -> Option<String> {
    let loss = stream.role.loss();
    let evicts = stream.evicts.join(", ");
    (loss.breaks_promise && !stream.evicts.is_empty()).then(|| {
        let name = clean(&stream.name);
        format!("The stream {name} has {}: the broker removes {}", clean(&evicts), loss.what)
    })
}

pub(super) fn render(
    request: &PageRequest<'_>,
    content: PageContent,
) -> Result<String, askama::Error> {
    let snapshot = &request.snapshot;
    let entry = |tab: NavTab| {
        let (words, path, key) = tab.entry();
        NavEntry { words, link: request.link(path), key, here: tab == content.tab }
    };
    let layout = PageLayout {
        title: &content.title,
        body: &content.body,
        prefix: &request.app.options.prefix,
        version: assets::VERSION,
        now: request.now().to_string(),
        environment: request.app.options.environment.as_deref().map(clean),
        environment_color: request.app.options.environment_color.class(),
        who: clean(&request.access.who),
        may_act: request.access.may_act(),
        logout: request.access.has_login.then(|| request.link("/logout")),
        entries: NavTab::ALL.map(entry).into(),
        problem: match (&snapshot.problem, snapshot.read_at) {
            (Some(problem), _) => Some(clean(problem)),
            (None, None) => Some("the first read of the broker is running".to_owned()),
            (None, Some(_)) => None,
        },
        outdated_since: snapshot.outdated_since().map(|at| RelativeTime::new(at, request.now())),
        store_faults: {
            let silent = snapshot.store_faults.iter().map(|probe| {
                format!("The stream {}: {}", clean(&probe.stream), clean(&probe.answer.to_string()))
            });
            silent.chain(snapshot.streams.iter().filter_map(eviction_words)).collect()
        },
        storms: snapshot.storms.iter().map(|storm| clean(&storm.to_string())).collect(),
    };
    layout.render()
}

#[cfg(test)]
mod tests {
    use naq_core::QueueName;
    use naq_core::transport::{Durability, StreamRole};

    use super::*;

    #[test]
    fn a_limit_that_breaks_a_promise_is_a_banner() {
        let report = |role, evicts: &[&str]| StreamReport {
            name: "NAQ_X".into(),
            role,
            messages: 1,
            bytes: 1,
            durability: Durability { on_disk: true, replicas: 1 },
            evicts: evicts.iter().map(|it| (*it).to_owned()).collect(),
            consumer: None,
        };
        let queue = || StreamRole::Queue(QueueName::default());
        let words = eviction_words(&report(queue(), &["max_msgs 5"])).expect("a banner");
        assert_eq!(
            words,
            "The stream NAQ_X has max_msgs 5: the broker removes jobs that were acknowledged"
        );
        assert!(eviction_words(&report(StreamRole::State, &["max_age 60s"])).is_some());
        assert_eq!(eviction_words(&report(queue(), &[])), None);
        assert_eq!(eviction_words(&report(StreamRole::Records, &["max_age 60s"])), None);
    }
}
