//! [`spark`]: a series of numbers as a small bar chart in a line of text.

use std::fmt::Write;

use super::label::label;

const WIDTH: usize = 120;
const HEIGHT: usize = 24;

/// The series as bars, oldest first. Screen readers read `label_text`.
pub(crate) fn spark(values: &[u64], label_text: &str) -> String {
    let most = values.iter().max().copied().unwrap_or(0).max(1);
    let width = WIDTH as f64 / values.len().max(1) as f64;
    let mut svg = format!(
        r#"<svg class="spark" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none"><title>{}</title>"#,
        label(label_text)
    );
    for (at, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
        let height = (*value as f64 / most as f64 * HEIGHT as f64).max(1.0);
        // Writing to a string cannot fail.
        let _ = write!(
            svg,
            r#"<rect x="{:.1}" y="{:.1}" width="{:.1}" height="{height:.1}"/>"#,
            at as f64 * width,
            HEIGHT as f64 - height,
            (width - 1.0).max(0.5),
        );
    }
    svg + "</svg>"
}
