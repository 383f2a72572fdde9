//! [`without_values`]: the message of a parser without the values that it quotes.

/// The messages of serde that quote a value before what they expected.
const QUOTING: [&str; 4] =
    ["invalid type: ", "invalid value: ", "unknown variant ", "unknown field "];
/// The messages of serde that name only what the program expects.
const SAFE: [&str; 17] = [
    "missing field ",
    "duplicate field ",
    "invalid length ",
    "EOF while parsing",
    "recursion limit exceeded",
    "depth limit exceeded",
    "trailing c",
    "expected ",
    "key must be ",
    "control character ",
    "invalid escape",
    "invalid number",
    "invalid unicode code point",
    "number out of range",
    "wrong msgpack marker",
    "array had incorrect length",
    "IO error while reading",
];
/// The kinds of values that serde names before a value.
const KINDS: [&str; 10] = [
    "string",
    "integer",
    "floating point",
    "boolean",
    "character",
    "byte array",
    "map",
    "sequence",
    "null",
    "unit value",
];

/// The message of a serde parser without the value that it found: `invalid type: string, expected u32`.
/// What a type says in words of its own is left out, because it may quote the value too.
///
/// ```
/// use naq_core::redact::without_values;
///
/// let err = serde_json::from_str::<u32>("\"4111-1111\"").unwrap_err();
/// let text = without_values(&err.to_string());
/// assert_eq!(text, "invalid type: string, expected u32 at line 1 column 11");
/// ```
pub fn without_values(message: &str) -> String {
    let (prefix, rest) = split_prefix(message);
    let (text, place) = split_place(rest);
    if SAFE.iter().any(|safe| text.starts_with(safe)) {
        return message.to_owned();
    }
    let Some(what) = QUOTING.iter().find(|quoting| text.starts_with(**quoting)) else {
        return format!("{prefix}a value is not valid{place}");
    };
    let found = &text[what.len()..];
    let kind = KINDS.iter().find(|kind| found.starts_with(**kind)).copied().unwrap_or_default();
    // The value may contain this word, too. What the program expects comes last.
    let expected = found.rfind(", expected ").map_or("", |at| &found[at..]);
    let what = match kind {
        "" => what.trim_end_matches([' ', ':']),
        _ => what,
    };
    format!("{prefix}{what}{kind}{expected}{place}")
}

/// `not a job in json: `, which the codec writes before the message.
fn split_prefix(message: &str) -> (&str, &str) {
    let codec = message.starts_with("not a job in ");
    match message.find(": ").filter(|_| codec) {
        Some(at) => message.split_at(at + 2),
        None => ("", message),
    }
}

/// ` at line 1 column 11`, which serde_json writes after the message.
fn split_place(message: &str) -> (&str, &str) {
    let is_place = |place: &str| {
        let mut words = place.split(' ').skip(3);
        let number = |word: Option<&str>| word.is_some_and(|it| it.parse::<u64>().is_ok());
        number(words.next()) && words.next() == Some("column") && number(words.next())
    };
    match message.rfind(" at line ").filter(|at| is_place(&message[*at..])) {
        Some(at) => message.split_at(at),
        None => (message, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_of_a_parser_quotes_the_value() {
        for (message, shown) in [
            (
                "unknown variant `4111-1111`, expected one of `visa`, `master`",
                "unknown variant, expected one of `visa`, `master`",
            ),
            ("unknown variant `a, expected b`, expected `c`", "unknown variant, expected `c`"),
            ("unknown field `4111`, expected `to`", "unknown field, expected `to`"),
            ("unknown field `4111`, there are no fields", "unknown field"),
            (
                "invalid type: integer `4111`, expected a string",
                "invalid type: integer, expected a string",
            ),
            (
                "not a job in json: invalid value: string \"4111\", expected a date at line 1 column 9",
                "not a job in json: invalid value: string, expected a date at line 1 column 9",
            ),
            ("missing field `to` at line 1 column 2", "missing field `to` at line 1 column 2"),
            ("4111 is no card at line 1 column 6", "a value is not valid at line 1 column 6"),
            ("4111 is no card at line 5", "a value is not valid"),
        ] {
            assert_eq!(without_values(message), shown);
        }
    }
}
