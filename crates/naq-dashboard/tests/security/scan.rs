//! Parses a page as a browser does, and finds what no page may have.

use std::collections::BTreeSet;

/// A tag: its name, and its attributes with unescaped values.
#[derive(Debug)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Tag {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }
}

/// The opening tags of a page.
pub(crate) fn tags(html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        rest = after;
        if let Some(comment) = after.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        if !after.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let end =
            after.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap_or(after.len());
        let (name, mut inner) = after.split_at(end);
        let mut attributes = Vec::new();
        loop {
            inner = inner.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
            if inner.is_empty() || inner.starts_with('>') {
                break;
            }
            let end =
                inner.find(|c: char| c.is_whitespace() || "=>/".contains(c)).unwrap_or(inner.len());
            let (name, after) = inner.split_at(end.max(1));
            let (value, after) = match after.strip_prefix('=') {
                None => ("", after),
                Some(after) => match after.chars().next() {
                    Some(quote @ ('"' | '\'')) => {
                        after[1..].split_once(quote).unwrap_or((&after[1..], ""))
                    }
                    _ => after.split_at(
                        after.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(after.len()),
                    ),
                },
            };
            attributes.push((name.to_ascii_lowercase(), unescaped(value)));
            inner = after;
        }
        tags.push(Tag { name: name.to_ascii_lowercase(), attributes });
        rest = inner;
    }
    tags
}

/// Text without its escapes.
pub(crate) fn unescaped(text: &str) -> String {
    text.replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

/// Text as templates escape it.
fn escaped(text: &str) -> String {
    text.replace('&', "&#38;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;")
        .replace('<', "&#60;")
        .replace('>', "&#62;")
}

/// What the page has that no page may have.
pub(crate) fn faults(html: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let known = known();
    for tag in tags(html) {
        if !known.contains(tag.name.as_str()) {
            faults.push(format!("a tag that no template has: {tag:?}"));
        }
        if tag.name == "script" && tag.get("src").is_none_or(|src| !src.starts_with('/')) {
            faults.push(format!("a script within the page: {tag:?}"));
        }
        for (name, value) in &tag.attributes {
            let value = value.trim_start_matches(|c: char| c.is_whitespace() || c.is_control());
            if name.starts_with("on") || name == "style" || name == "srcdoc" {
                faults.push(format!("{name} on {tag:?}"));
            }
            let link_attributes =
                ["href", "src", "action", "formaction", "xlink:href", "data-preview"];
            let own = value.starts_with('/') && !value.starts_with("//");
            let within = value.is_empty() || value.starts_with('#') || value.starts_with('?');
            if link_attributes.contains(&name.as_str()) && !own && !within {
                faults.push(format!("{name} leads to another site: {tag:?}"));
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_:".contains(c);
            if !name.chars().all(plain) {
                faults.push(format!("an invalid attribute {name:?} of {tag:?}"));
            }
        }
    }
    let is_control = |c: &char| {
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
            || (c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
    };
    // The value of an input goes back to the server unchanged, and its direction marks end with the field.
    let mut shown = html.to_owned();
    for value in tags(html).iter().filter(|tag| tag.name == "input") {
        let raw = value.get("value").unwrap_or_default();
        shown = shown.replace(&format!("value=\"{}\"", escaped(raw)), "");
    }
    for (at, c) in shown.char_indices().filter(|(_, c)| is_control(c)) {
        let around: String =
            shown[..at].chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
        faults.push(format!("{c:?} after {around:?}"));
    }
    faults
}

fn known() -> BTreeSet<&'static str> {
    "a aside b body br button caption circle code dd defs details dialog div dl dt em figcaption \
     figure footer form g h1 h2 h3 h4 head header hr html i input kbd label legend li line link \
     main meta nav ol optgroup option output p path pattern polygon polyline pre progress rect \
     fieldset samp script section select small span strong sub summary sup svg table tbody td text \
     textarea tfoot th thead time title tr tspan ul use lineargradient stop marker datalist abbr \
     mark"
        .split_whitespace()
        .collect()
}

#[test]
fn the_scan_finds_each_fault() {
    for bad in [
        "<script>alert(1)</script>",
        "<img src=x>",
        "<a href=\"/x\" onclick='y'>",
        "<a title=\"\"onmouseover=\"x\">",
        "<a href=\"javascript:alert(1)\">",
        "<a href=\" \u{1}javascript:alert(1)\">",
        "<a href=\"//evil.example\">",
        "<p style=\"x\">",
        "<p>\u{202e}</p>",
        "<p>\u{1b}[31m</p>",
        "<script src=\"https://evil.example/x.js\"></script>",
    ] {
        assert!(!faults(bad).is_empty(), "{bad}");
    }
    let fine =
        "<!doctype html><a href=\"/x?a=1\" data-key=\"o\">&lt;b onclick=x&gt;</a><!--x--><br/>";
    assert!(faults(fine).is_empty(), "{:?}", faults(fine));
}
