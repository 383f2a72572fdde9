//! Rows as SVG. Places are in per cent of the width, so that a row fills the page and its text is not
//! stretched.

use std::fmt::Write;
use std::time::Duration;

use naq_core::Timestamp;

use super::row::{BarKind, RowKind, TimelineBar, TimelineRow, tone};
use super::scale::TimeScale;
use crate::view::span;

/// The height of a row.
const HEIGHT: f64 = 30.0;
/// A bar that is at least this share of the width has room for its duration.
const TEXT_WIDTH: f64 = 0.055;

/// The times along the top, and the patterns that fill the bars.
pub(crate) fn axis(scale: &TimeScale) -> String {
    let mut svg = String::from(concat!(
        r#"<svg class="chart lane axis" height="18" aria-hidden="true"><defs>"#,
        r#"<pattern id="w-planned" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="w-back" width="6" height="6"/><rect class="w-hatch" width="1.6" height="6"/></pattern>"#,
        r#"<pattern id="w-queued" width="5" height="5" patternUnits="userSpaceOnUse"><rect class="w-back" width="5" height="5"/><circle class="w-hatch" cx="2" cy="2" r="0.9"/></pattern>"#,
        r#"<pattern id="w-lost" width="7" height="7" patternUnits="userSpaceOnUse"><rect class="w-lost-back" width="7" height="7"/><path class="w-cross" d="M1 1l4 4M5 1l-4 4"/></pattern>"#,
        r#"<pattern id="w-running" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)"><rect class="w-running-back" width="8" height="8"/><rect class="w-running" width="4" height="8"/></pattern>"#,
        "</defs>"
    ));
    for (at, (place, since)) in scale.ticks().into_iter().enumerate() {
        let words = if at == 0 { "0".to_owned() } else { format!("+{}", span(since)) };
        // A phone has room for every second label.
        let wide = if at % 2 == 1 { r#" class="w-wide""# } else { "" };
        let anchor = if at == 0 { "start" } else { "middle" };
        // Writing to a string cannot fail.
        let _ = write!(
            svg,
            r#"<text{wide} x="{:.2}%" y="12" text-anchor="{anchor}">{words}</text>"#,
            place * 100.0
        );
    }
    svg + "</svg>"
}

/// Draws one row.
pub(crate) fn draw_row(row: &TimelineRow, scale: &TimeScale, now: Option<Timestamp>) -> String {
    let mut svg = format!(r#"<svg class="chart lane" height="{HEIGHT}" aria-hidden="true">"#);
    for (place, _) in scale.ticks() {
        line(&mut svg, "grid", place, 0.0, HEIGHT);
    }
    if let Some(now) = now {
        line(&mut svg, "w-now", scale.place(now), 0.0, HEIGHT);
    }
    for bar in &row.bars {
        bar_shape(&mut svg, bar, scale);
    }
    if let Some(at) = row.mark {
        mark(&mut svg, row.kind, scale.place(at));
    }
    for bar in &row.bars {
        bar_duration(&mut svg, bar, scale);
    }
    svg + "</svg>"
}

fn bar_shape(svg: &mut String, bar: &TimelineBar, scale: &TimeScale) {
    let (left, right) = (scale.place(bar.from), scale.place(bar.to));
    let (class, height, fill) = match bar.kind {
        BarKind::Queued => ("w-gap", 10.0, "url(#w-queued)"),
        BarKind::Planned => ("w-gap", 12.0, "url(#w-planned)"),
        BarKind::Late => ("w-late", 12.0, ""),
        BarKind::Run(outcome) => (tone(outcome), 20.0, ""),
        BarKind::Running => ("w-edge", 20.0, "url(#w-running)"),
        BarKind::Lost => ("w-lost", 20.0, "url(#w-lost)"),
        BarKind::Possible => ("w-possible", 8.0, ""),
    };
    let solid = matches!(bar.kind, BarKind::Run(_) | BarKind::Running | BarKind::Lost);
    let fill = if fill.is_empty() { String::new() } else { format!(r#" fill="{fill}""#) };
    let top = (HEIGHT - height) / 2.0;
    let _ = write!(
        svg,
        r#"<rect class="{class}" x="{:.2}%" y="{top}" width="{:.2}%" height="{height}" rx="{}"{fill}/>"#,
        left * 100.0,
        (right - left) * 100.0,
        if solid { 3 } else { 2 },
    );
    // A run has a minimum width, so that a short one can be seen.
    if let BarKind::Run(outcome) = bar.kind {
        let x = left * 100.0;
        let class = tone(outcome);
        let _ = write!(
            svg,
            r#"<rect class="{class}" x="{x:.2}%" y="{top}" width="4" height="{height}" rx="2"/>"#
        );
    }
}

/// A point in time: a decision, an expected start, or the end.
fn mark(svg: &mut String, kind: RowKind, place: f64) {
    let x = place * 100.0;
    let middle = HEIGHT / 2.0;
    let _ = match kind {
        RowKind::Planned => {
            write!(svg, r#"<circle class="w-dot" cx="{x:.2}%" cy="{middle}" r="5"/>"#)
        }
        RowKind::FinalOutcome => write!(
            svg,
            r#"<line class="w-end" x1="{x:.2}%" x2="{x:.2}%" y1="6" y2="{}"/>"#,
            HEIGHT - 6.0
        ),
        RowKind::Running => Ok(()),
        _ => write!(svg, r#"<circle class="w-mark" cx="{x:.2}%" cy="{middle}" r="4"/>"#),
    };
}

/// The duration of a bar, if it fits: the width need not be to scale.
fn bar_duration(svg: &mut String, bar: &TimelineBar, scale: &TimeScale) {
    let (left, right) = (scale.place(bar.from), scale.place(bar.to));
    let took = bar.to.since(bar.from);
    let words = match took {
        Duration::ZERO => "&lt; 1ms".to_owned(),
        took => span(took),
    };
    let inside = right - left >= TEXT_WIDTH;
    let _ = match bar.kind {
        // The text of a run stands after it, where the row is empty.
        BarKind::Run(_) | BarKind::Running if right < 0.9 => write!(
            svg,
            r#"<text class="w-ran" x="{:.2}%" dx="8" y="19">{words}</text>"#,
            right * 100.0
        ),
        BarKind::Possible => Ok(()),
        _ if inside => write!(
            svg,
            r#"<text x="{:.2}%" y="19" text-anchor="middle">{words}</text>"#,
            (left + right) * 50.0
        ),
        _ => Ok(()),
    };
}

fn line(svg: &mut String, class: &str, place: f64, from: f64, to: f64) {
    let x = place * 100.0;
    let _ =
        write!(svg, r#"<line class="{class}" x1="{x:.2}%" x2="{x:.2}%" y1="{from}" y2="{to}"/>"#);
}
