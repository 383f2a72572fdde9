//! [`stacked`]: one bar, divided into parts.

use std::fmt::Write;

use super::label::label;

/// A part of a bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StackedPart {
    /// The CSS class with its colour.
    pub(crate) class: &'static str,
    pub(crate) count: u64,
    /// The tooltip.
    pub(crate) words: String,
}

/// The parts one after the other, each as wide as its share. Screen readers read `label_text`.
pub(crate) fn stacked(parts: &[StackedPart], label_text: &str) -> String {
    let total: u64 = parts.iter().map(|part| part.count).sum();
    let mut svg = format!(
        r#"<svg class="bar stacked" role="img" aria-label="{}" viewBox="0 0 1000 10" preserveAspectRatio="none">"#,
        label(label_text)
    );
    let mut x = 0.0;
    for part in parts.iter().filter(|part| part.count > 0) {
        let width = part.count as f64 / total as f64 * 1_000.0;
        // Writing to a string cannot fail. A part that is not empty is wide enough to see.
        let _ = write!(
            svg,
            r#"<rect class="{}" x="{x:.1}" y="0" width="{:.1}" height="10"><title>{}</title></rect>"#,
            part.class,
            width.max(2.0),
            label(&part.words),
        );
        x += width;
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_as_wide_as_its_share() {
        let part = |class, count| StackedPart { class, count, words: format!("<{class}>") };
        let svg = stacked(&[part("a", 3), part("none", 0), part("b", 1)], "a \"bar\"");
        assert!(svg.contains(r#"class="a" x="0.0" y="0" width="750.0""#), "{svg}");
        assert!(svg.contains(r#"class="b" x="750.0" y="0" width="250.0""#), "{svg}");
        assert!(!svg.contains("none\" x") && !svg.contains("<a>") && !svg.contains("a \"bar\""));
        assert!(!stacked(&[], "empty").contains("<rect"));
    }
}
