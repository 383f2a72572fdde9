//! The alert rules and the Grafana dashboard name metrics, labels and values of `naq_core::metrics`, and
//! no others.

use std::collections::BTreeSet;

use naq_core::metrics::{self, Metric};
use serde_json::Value;

use crate::read;

const ALERTS: &str = "deploy/prometheus/naq-alerts.yml";
const DASHBOARD: &str = "deploy/grafana/naq.json";

fn dashboard() -> Value {
    serde_json::from_str(&read(DASHBOARD)).expect("JSON")
}

/// The expressions of the dashboard's panels and variables.
fn expressions() -> Vec<String> {
    let dashboard = dashboard();
    let targets = dashboard["panels"].as_array().expect("panels").iter();
    let asked = targets
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .map(|target| target["expr"].as_str().expect("an expression").to_owned());
    let variables = dashboard["templating"]["list"].as_array().expect("variables").iter();
    asked.chain(variables.filter_map(|v| Some(v["definition"].as_str()?.to_owned()))).collect()
}

/// The alert rules without their comments.
fn rules() -> String {
    let text = read(ALERTS);
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

/// A series that an expression names, and the matchers in braces behind it.
struct Selector<'a> {
    series: &'a str,
    matchers: Vec<(&'a str, &'a str)>,
}

/// The series of NAQ in a text; what a recording rule makes has colons in its name and is none.
fn selectors(text: &str) -> Vec<Selector<'_>> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(is_name) {
        let name = &rest[begin..];
        let end = name.find(|c| !is_name(c)).unwrap_or(name.len());
        let (series, after) = name.split_at(end);
        rest = after;
        if series.starts_with("naq_") && !series.contains(':') {
            let inside = after.strip_prefix('{').and_then(|it| it.split_once('}'));
            let matchers = inside.map_or(Vec::new(), |(inside, _)| matchers(inside));
            found.push(Selector { series, matchers });
        }
    }
    found
}

/// `queue=~"a|b",outcome="retry"` as names and values.
fn matchers(inside: &str) -> Vec<(&str, &str)> {
    let pairs = inside.split("\",").map(|pair| pair.split_once(['=', '!']).expect("a matcher"));
    let value = |v| str::trim_matches(v, |c| matches!(c, '=' | '~' | '"'));
    pairs.map(|(name, v)| (name, value(v))).collect()
}

fn metric_of(selector: &Selector<'_>) -> &'static Metric {
    metrics::of_series(selector.series)
        .unwrap_or_else(|| panic!("NAQ exports no series {}", selector.series))
}

/// The values of a label that has few; none for one that may have any.
fn values_of(metric: &Metric, label: &str) -> Option<&'static [&'static str]> {
    match label {
        "outcome" => Some(&metrics::OUTCOMES),
        "reason" => Some(&metrics::DECODE_REASONS),
        "state" if *metric == metrics::WORKER_SLOTS => Some(&metrics::SLOT_STATES),
        "state" => Some(&metrics::DEPTH_STATES),
        "by" => Some(&metrics::HELD_BY),
        _ => None,
    }
}

fn check(text: &str) -> BTreeSet<&'static str> {
    let mut named = BTreeSet::new();
    for selector in selectors(text) {
        let metric = metric_of(&selector);
        named.insert(metric.name);
        for (label, value) in &selector.matchers {
            let known = metric.labels.contains(label) || *label == "le";
            assert!(known, "{} has no label {label}", metric.name);
            let Some(values) = values_of(metric, label) else { continue };
            for value in value.split('|') {
                assert!(values.contains(&value), "{}: no {label} {value:?}", metric.name);
            }
        }
    }
    named
}

#[test]
fn alerts_ask_for_what_is_exported() {
    let named = check(&rules());
    for metric in [metrics::ATTEMPTS, metrics::RETRY_LATENESS, metrics::BROKER_CONNECTED] {
        assert!(named.contains(metric.name), "no alert looks at {}: {named:?}", metric.name);
    }
}

#[test]
fn the_dashboard_asks_for_what_is_exported_and_shows_all_of_it() {
    let named: BTreeSet<_> = expressions().iter().flat_map(|expr| check(expr)).collect();
    for metric in metrics::ALL {
        assert!(named.contains(metric.name), "no panel shows {}", metric.name);
    }
}

#[test]
fn a_recording_rule_that_is_used_is_defined() {
    let rules = rules();
    let defined: Vec<_> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).collect();
    assert!(!defined.is_empty());
    for text in expressions().iter().chain([&rules]) {
        let names = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
        for used in names.filter(|name| name.contains(":naq_")) {
            assert!(defined.contains(&used), "{used} is nowhere defined");
        }
    }
}

/// The heading of a page as its anchor.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn every_alert_says_what_to_do_and_where_to_read_on() {
    let page = read("docs/watching-retries.md");
    let anchors: BTreeSet<_> = page
        .lines()
        .filter(|line| line.starts_with("##"))
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect();
    let rules = rules();
    let alerts: Vec<_> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 7);
    for alert in alerts {
        let name = alert.lines().next().unwrap_or_default();
        for part in ["severity: ", "summary: ", "description: ", "naq "] {
            assert!(alert.contains(part), "{name} lacks {part}");
        }
        let link = alert.split_once("docs/watching-retries.md#").expect("a link").1;
        let section = link.split_whitespace().next().unwrap_or_default();
        assert!(anchors.contains(section), "{name}: the page has no section {section}");
    }
}

#[test]
fn panels_have_ids_of_their_own_the_chosen_source_and_room() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title}");
        let side = |name: &str| panel["gridPos"][name].as_u64().expect("a number");
        let (x, y, w, h) = (side("x"), side("y"), side("w"), side("h"));
        assert!(x + w <= 24, "{title} is beyond the edge");
        for cell in (y..y + h).flat_map(|y| (x..x + w).map(move |x| (x, y))) {
            assert!(taken.insert(cell), "{title} covers another panel");
        }
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
        if panel["type"] != "row" {
            assert!(panel["description"].as_str().is_some_and(|it| !it.is_empty()), "{title}");
        }
    }
    let rows = panels.iter().filter(|panel| panel["type"] == "row");
    let rows: Vec<_> = rows.filter_map(|panel| panel["title"].as_str()).collect();
    assert_eq!(rows, ["Overview", "Retries", "Queues", "Workers", "Broker", "Gateway"]);
}
