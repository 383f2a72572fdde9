//! [`bar`]: a share as a bar.

use super::label::label;

/// A bar that is full at 1, in the colour of `class`. Screen readers read `label_text`.
pub(crate) fn bar(share: f64, class: &str, label_text: &str) -> String {
    let width = share.clamp(0.0, 1.0) * 1_000.0;
    format!(
        r#"<svg class="bar" role="img" aria-label="{}" viewBox="0 0 1000 10" preserveAspectRatio="none"><rect class="{class}" x="0" y="0" width="{width:.1}" height="10"/></svg>"#,
        label(label_text)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_above_1_fills_the_bar() {
        assert!(bar(0.25, "warn", "a quarter").contains(r#"width="250.0""#));
        assert!(bar(7.0, "warn", "x").contains(r#"width="1000.0""#));
        assert!(bar(0.0, "warn", "x\"y").contains("x&#34;y"));
    }
}
