//! The vectors in `crates/naq-core/tests/vectors`: files that say what a program in any language sends,
//! stores and reads. Their README says how to use each of them.

use std::path::Path;

use serde_json::Value;

/// A file of vectors, such as `handler-http`.
///
/// # Panics
/// When there is no such file, or it is not JSON.
pub fn vectors(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../naq-core/tests/vectors");
    let path = folder.join(name).with_extension("json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|err| panic!("{path:?}: {err}"));
    serde_json::from_str(&text).unwrap_or_else(|err| panic!("{path:?}: {err}"))
}

/// Where `actual` is not what `expected` says, one line each. A `*` in an expected text stands for any text,
/// and the text `*` alone for any value.
pub fn differences(expected: &Value, actual: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", Some(expected), Some(actual), &mut found);
    found
}

fn compare(at: &str, expected: Option<&Value>, actual: Option<&Value>, found: &mut Vec<String>) {
    match (expected, actual) {
        (Some(Value::Object(expected)), Some(Value::Object(actual))) => {
            let mut names: Vec<_> = expected.keys().chain(actual.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                compare(&format!("{at}/{name}"), expected.get(name), actual.get(name), found);
            }
        }
        (Some(Value::Array(expected)), Some(Value::Array(actual))) => {
            for index in 0..expected.len().max(actual.len()) {
                let at = format!("{at}/{index}");
                compare(&at, expected.get(index), actual.get(index), found);
            }
        }
        (Some(Value::String(expected)), Some(_)) if expected == "*" => {}
        (Some(Value::String(expected)), Some(Value::String(actual))) if fits(expected, actual) => {}
        (Some(expected), Some(actual)) if expected == actual => {}
        (expected, actual) => {
            let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            found.push(format!("{at}: expected {}, found {}", text(expected), text(actual)));
        }
    }
}

/// Whether `text` is `pattern`, in which each `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(last) = parts.next_back() else { return pattern == text };
    let Some(rest) = text.strip_prefix(first) else { return false };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    parts.all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_stands_for_any_text_or_value() {
        for (pattern, text, fit) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*/1/0", "0a1b/1/0", true),
            ("*/1/0", "0a1b/2/0", false),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
        ] {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
        assert!(differences(&json!({"a": "*"}), &json!({"a": [1]})).is_empty());
    }

    #[test]
    fn each_difference_says_where_it_is() {
        let expected = json!({"a": [1, 2], "b": {"c": "x*"}, "d": 1});
        let actual = json!({"a": [1], "b": {"c": "y"}, "e": null});
        let found = differences(&expected, &actual);
        assert_eq!(
            found,
            [
                "/a/1: expected 2, found nothing",
                "/b/c: expected \"x*\", found \"y\"",
                "/d: expected 1, found nothing",
                "/e: expected nothing, found null",
            ]
        );
    }
}
