//! [`label`]: escaped text for a chart.

/// The text, escaped for use in an element or in an attribute.
pub(super) fn label(text: &str) -> String {
    askama::filters::escape(text, askama::filters::Html)
        .map_or_else(|_| String::new(), |text| text.to_string())
}
