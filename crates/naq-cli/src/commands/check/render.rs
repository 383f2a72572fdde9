//! Prints a result for people, or in the formats that monitoring systems read.

use std::fmt::Write;

use anyhow::Result;
use clap::ValueEnum;

use super::result::{BadSide, CheckMeasure, CheckResult, CheckUnit, Severity};
use crate::output::{BOLD, GREEN, Output, RED, YELLOW, paint};
use crate::text::printable;

/// The format of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CheckFormat {
    /// Text for people.
    Text,
    /// One line with performance data, for Nagios, Icinga and compatible systems.
    Nagios,
    /// One JSON value.
    Json,
    /// Prometheus' text format, for the node exporter's textfile collector.
    Prometheus,
}

pub(super) fn print(result: &CheckResult, format: CheckFormat, out: Output) -> Result<()> {
    match format {
        CheckFormat::Text => out.raw(&text(result)),
        CheckFormat::Nagios => out.raw(&nagios(result)),
        CheckFormat::Json => out.line(result),
        CheckFormat::Prometheus => out.raw(&prometheus(result)),
    }
}

/// The check and its queue: `queue mail`, `worker`.
fn what(result: &CheckResult) -> String {
    match &result.queue {
        Some(queue) => format!("{} {queue}", result.check),
        None => result.check.to_owned(),
    }
}

fn text(result: &CheckResult) -> String {
    let style = match result.severity {
        Severity::Ok => GREEN,
        Severity::Warning | Severity::Unknown => YELLOW,
        Severity::Critical => RED,
    };
    let mut out = format!("{}: {}", what(result), paint(style, result.severity.word()));
    for measure in &result.measures {
        let bad = measure.severity() != Severity::Ok;
        let words = measure.words();
        let words = if bad { paint(BOLD, words) } else { words };
        out.push_str(&format!("\n  {words}"));
    }
    for note in &result.notes {
        out.push_str(&format!("\n  {}", printable(note)));
    }
    if let Some(next) = &result.next {
        out.push_str(&format!("\n{} {}", paint(BOLD, "next:"), printable(next)));
    }
    out
}

/// `NAQ QUEUE mail OK - depth 3, oldest 2s | depth=3;10;20;0 oldest=2s;60;300;0`, and the notes on
/// further lines. A bar begins the performance data, so it is replaced in other text.
fn nagios(result: &CheckResult) -> String {
    let safe = |text: &str| printable(text).replace('|', "/");
    let (kind, level) = (result.check.to_uppercase(), result.severity.word());
    let subject = result.queue.as_ref().map_or(String::new(), |queue| format!(" {queue}"));
    let measures: Vec<_> = result.measures.iter().map(CheckMeasure::words).collect();
    let mut notes = result.notes.iter();
    let summary = if measures.is_empty() {
        notes.next().map_or_else(String::new, |note| safe(note))
    } else {
        measures.join(", ")
    };
    let mut out = format!("NAQ {kind}{subject} {level} - {summary}");
    if !measures.is_empty() {
        let data: Vec<_> = result.measures.iter().map(performance).collect();
        out.push_str(&format!(" | {}", data.join(" ")));
    }
    for note in notes {
        out.push_str(&format!("\n{}", safe(note)));
    }
    if let Some(next) = &result.next {
        out.push_str(&format!("\nnext: {}", safe(next)));
    }
    out
}

/// `label=value[unit];warning;critical;minimum;maximum`. The range `3:` means that values below 3 are
/// bad.
fn performance(measure: &CheckMeasure) -> String {
    let number = |n: u64| match measure.unit {
        CheckUnit::Millis => seconds(n),
        _ => n.to_string(),
    };
    let range = |bound: Option<u64>| match (bound, measure.bounds.side) {
        (None, _) => String::new(),
        (Some(n), BadSide::Above) => number(n),
        (Some(n), BadSide::Below) => format!("{}:", number(n)),
    };
    let (unit, most) = match measure.unit {
        CheckUnit::Count => ("", ""),
        CheckUnit::Millis => ("s", ""),
        CheckUnit::Percent => ("%", ";100"),
    };
    let (warning, critical) = (range(measure.bounds.warning), range(measure.bounds.critical));
    format!("{}={}{unit};{warning};{critical};0{most}", measure.name, number(measure.value))
}

fn seconds(millis: u64) -> String {
    match millis % 1_000 {
        0 => (millis / 1_000).to_string(),
        part => format!("{}.{part:03}", millis / 1_000),
    }
}

/// One gauge for the result and one for each measured value, in base units.
fn prometheus(result: &CheckResult) -> String {
    let queue = result.queue.as_ref().map(|queue| format!("queue=\"{queue}\""));
    let mut out = String::new();
    let mut gauge = |name: &str, help: &str, labels: &[&str], value: &str| {
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // Writing to a string cannot fail.
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name}{labels} {value}\n");
    };
    let check = format!("check=\"{}\"", result.check);
    let mut labels = vec![check.as_str()];
    labels.extend(queue.as_deref());
    let status = (result.severity as u8).to_string();
    gauge("naq_check_status", "0 ok, 1 warning, 2 critical, 3 unknown.", &labels, &status);
    for measure in &result.measures {
        let (suffix, value) = match measure.unit {
            CheckUnit::Count => ("", measure.value.to_string()),
            CheckUnit::Millis => ("_seconds", seconds(measure.value)),
            CheckUnit::Percent => {
                ("_ratio", format!("{}.{:02}", measure.value / 100, measure.value % 100))
            }
        };
        let name = format!("naq_check_{}_{}{suffix}", result.check, measure.name);
        gauge(&name, &format!("{}.", measure.help), &labels[1..], &value);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::result::CheckBounds;
    use super::*;

    fn result() -> CheckResult {
        let measure = |name, value, unit, bounds| CheckMeasure {
            name,
            help: "What it is",
            value,
            unit,
            bounds,
        };
        let minute = Some(Duration::from_secs(60));
        let measures = vec![
            measure("depth", 12, CheckUnit::Count, CheckBounds::above(Some(10), Some(20))),
            measure("oldest", 2_500, CheckUnit::Millis, CheckBounds::longer(None, minute)),
            measure("workers", 1, CheckUnit::Count, CheckBounds::below(Some(1), Some(1))),
            measure("slots", 7, CheckUnit::Percent, CheckBounds::above(Some(90), None)),
        ];
        CheckResult::of("queue", Some("mail".into()), measures)
            .add_note(Some("a|b \u{1b}[2J".into()))
            .next(Some("naq queue info mail".into()))
    }

    #[test]
    fn nagios_has_performance_data_with_ranges_and_one_bar() {
        let text = nagios(&result());
        assert_eq!(
            text,
            "NAQ QUEUE mail WARNING - depth 12 (warning above 10), oldest 2.5s, workers 1, \
             slots 7 % | depth=12;10;20;0 oldest=2.500s;;60;0 workers=1;1:;1:;0 \
             slots=7%;90;;0;100\na/b \\u{1b}[2J\nnext: naq queue info mail"
        );
    }

    #[test]
    fn a_failed_check_prints_its_reason_in_place_of_the_numbers() {
        let blind = CheckResult::unknown("dlq", None, Severity::Critical, "no answer".into());
        assert_eq!(nagios(&blind), "NAQ DLQ CRITICAL - no answer");
        assert!(prometheus(&blind).ends_with("naq_check_status{check=\"dlq\"} 2\n"));
        assert!(text(&blind).contains("no answer"));
    }

    #[test]
    fn prometheus_has_base_units_and_the_queue_as_a_label() {
        let text = prometheus(&result());
        for line in [
            "naq_check_status{check=\"queue\",queue=\"mail\"} 1",
            "# TYPE naq_check_queue_depth gauge",
            "naq_check_queue_depth{queue=\"mail\"} 12",
            "naq_check_queue_oldest_seconds{queue=\"mail\"} 2.500",
            "naq_check_queue_slots_ratio{queue=\"mail\"} 0.07",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is missing in {text}");
        }
    }
}
