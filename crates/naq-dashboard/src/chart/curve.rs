//! [`curve`]: the time from the first attempt to each later one, with the range that jitter allows.

use std::fmt::Write;
use std::time::Duration;

use naq_core::retry::PreviewRow;

use crate::view::span;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 240.0;
/// The room for labels.
const LEFT: f64 = 78.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 10.0;

/// The time from the start of the first attempt to each attempt; empty for a policy without retries.
pub(crate) fn curve(rows: &[PreviewRow]) -> String {
    let Some(last) = rows.last() else { return String::new() };
    let most = last.elapsed_max_ms.max(1) as f64;
    let steps = rows.len() as f64;
    let x = |at: usize| LEFT + (WIDTH - LEFT - 12.0) * at as f64 / steps;
    let y = |ms: u64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - ms as f64 / most);
    let points = |of: fn(&PreviewRow) -> u64| {
        let start = (x(0), y(0));
        let rest = rows.iter().enumerate().map(|(at, row)| (x(at + 1), y(of(row))));
        std::iter::once(start).chain(rest).collect::<Vec<_>>()
    };
    let low = points(|row| row.elapsed_min_ms);
    let high = points(|row| row.elapsed_max_ms);
    let path = |points: &mut dyn Iterator<Item = &(f64, f64)>| {
        let points: Vec<_> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        points.join(" ")
    };
    let attempts = last.attempt;
    let latest = span(Duration::from_millis(last.elapsed_max_ms));
    let mut svg = format!(
        r#"<svg class="chart curve" role="img" viewBox="0 0 {WIDTH} {HEIGHT}"><title>Attempt {attempts} starts at most {latest} after the first</title>"#
    );
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let ms = most * share;
        let line = y(ms as u64);
        // Writing to a string cannot fail.
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{line:.1}" y2="{line:.1}"/><text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
            LEFT - 8.0,
            line + 4.0,
            span(Duration::from_millis(ms as u64)),
        );
    }
    let every = rows.len().div_ceil(12).max(1);
    for at in (0..=rows.len()).step_by(every) {
        let _ = write!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            x(at),
            HEIGHT - 8.0,
            at + 1,
        );
    }
    let _ = write!(
        svg,
        r#"<polygon class="band" points="{} {}"/><polyline class="line low" points="{}"/><polyline class="line" points="{}"/>"#,
        path(&mut low.iter()),
        path(&mut high.iter().rev()),
        path(&mut low.iter()),
        path(&mut high.iter()),
    );
    for (x, y) in high.iter().take(26) {
        let _ = write!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3"/>"#);
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use naq_core::RetryPolicy;
    use naq_core::retry::preview;

    use super::*;

    fn of(policy: &str) -> String {
        let policy: RetryPolicy = policy.parse().expect("a policy");
        curve(&preview(&policy).take(50).collect::<Vec<_>>())
    }

    #[test]
    fn a_curve_has_a_point_for_each_attempt_and_only_finite_numbers() {
        let svg = of("exponential:2s,max_retries=4,jitter=full");
        assert_eq!(svg.matches("<circle").count(), 5);
        assert!(svg.contains("Attempt 5 starts at most 30s after the first"), "{svg}");
        for policy in ["fixed:0s,max_retries=1", "fixed:3650d,max_retries=4294967295"] {
            let svg = of(policy);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
        assert_eq!(of("none"), "");
    }
}
