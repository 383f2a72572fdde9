//! Hostile text: markup, broken attributes, script links, marks that change the direction of writing,
//! control characters and terminal colours.

/// A part of every hostile text. A name follows it, so that a test can see which text a page shows.
pub(crate) const MARK: &str = "hostile";

/// The hostile text with the name `who`.
pub(crate) fn evil(who: &str) -> String {
    format!(
        "{MARK}-{who}<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\" onmouseover=\"x\" \
         ' autofocus onfocus='y' javascript:alert(3) </textarea></title></pre><!--/live-->\
         <!--live totals--><style>*{{}}</style>\u{202e}gnp.exe\u{2066}\u{200b}\u{feff}\u{7}\u{8}\u{0}\
         \u{1b}[31m\u{1b}]8;;http://evil.example\u{7}\u{85}{{{{7*7}}}} &lt;b&gt; %3Cb%3E\u{2028}end"
    )
}

/// A hostile text for places that accept only one line without control characters.
pub(crate) fn evil_line(who: &str) -> String {
    format!(
        "{MARK}-{who}<script>alert(1)</script>\"' onclick=\"x\" javascript:x \u{202e}gnp\u{2066}"
    )
}
