//! [`label`]: text within a chart.

/// The text, as it may stand in an element or between quotes.
pub(super) fn label(text: &str) -> String {
    askama::filters::escape(text, askama::filters::Html)
        .map_or_else(|_| String::new(), |text| text.to_string())
}
