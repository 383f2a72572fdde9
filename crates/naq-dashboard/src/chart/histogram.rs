//! [`histogram`]: counts over time, with an axis.

use std::fmt::Write;

use super::label::label;
use crate::view::count;

const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 130.0;
/// The room for text above the bars.
const ABOVE: f64 = 16.0;
/// The room for text below the bars.
const BELOW: f64 = 18.0;

/// One bar of a histogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HistogramBin {
    /// The time of the bar: `in 10 s to 20 s`.
    pub(crate) words: String,
    pub(crate) count: u64,
}

/// The bins side by side, with `marks` spread evenly below them. Screen readers read `label_text`.
pub(crate) fn histogram(bins: &[HistogramBin], marks: &[&str], label_text: &str) -> String {
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0);
    let floor = HEIGHT - BELOW;
    let room = floor - ABOVE;
    let width = WIDTH / bins.len().max(1) as f64;
    let mut svg = format!(
        r#"<svg class="chart histogram" role="img" aria-label="{}" viewBox="0 0 {WIDTH} {HEIGHT}">"#,
        label(label_text)
    );
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        r#"<path class="grid" d="M0 {ABOVE}H{WIDTH}"/><text x="0" y="{:.0}">{}</text>"#,
        ABOVE - 4.0,
        count(most),
    );
    for (at, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.count > 0) {
        let height = (bin.count as f64 / most as f64 * room).max(1.5);
        let _ = write!(
            svg,
            r#"<rect x="{:.1}" y="{:.1}" width="{:.1}" height="{height:.1}"><title>{}: {}</title></rect>"#,
            at as f64 * width,
            floor - height,
            (width - 1.5).max(1.0),
            label(&bin.words),
            count(bin.count),
        );
    }
    let _ = write!(svg, r#"<path class="axis" d="M0 {floor}H{WIDTH}"/>"#);
    let steps = marks.len().saturating_sub(1).max(1) as f64;
    for (at, mark) in marks.iter().enumerate() {
        let anchor = match at {
            0 => "start",
            at if at + 1 == marks.len() => "end",
            _ => "middle",
        };
        let _ = write!(
            svg,
            r#"<text x="{:.1}" y="{:.0}" text-anchor="{anchor}">{}</text>"#,
            at as f64 / steps * WIDTH,
            HEIGHT - 4.0,
            label(mark),
        );
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bin_fills_the_room_and_the_marks_go_from_end_to_end() {
        let bin = |count| HistogramBin { words: format!("<{count}>"), count };
        let svg = histogram(&[bin(0), bin(1_200), bin(600)], &["now", "later"], "x");
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(svg.contains(r#"height="96.0"><title>&#60;1200&#62;: 1,200</title>"#), "{svg}");
        assert!(svg.contains(r#"height="48.0""#), "{svg}");
        assert!(svg.contains(r#"x="0.0" y="126" text-anchor="start">now"#), "{svg}");
        assert!(svg.contains(r#"x="440.0" y="126" text-anchor="end">later"#), "{svg}");
    }
}
