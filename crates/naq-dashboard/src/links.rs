//! Paths of the dashboard's pages, and the percent encoding in them.

use naq_core::WorkerId;
use naq_core::transport::JobKey;

/// The path of a job's page, below the prefix.
pub(crate) fn job_path(key: &JobKey) -> String {
    format!("/jobs/{}/{}", encode(key.queue.as_str()), encode(key.id.as_str()))
}

/// The path of a worker's page, below the prefix.
pub(crate) fn worker_path(worker: &WorkerId) -> String {
    format!("/workers/{}", encode(worker.as_str()))
}

/// Percent-encodes every byte that is not a letter, a digit or one of `-._~`.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Undoes [`encode`], and reads `+` as a space. Bytes that are not UTF-8 become the replacement
/// character.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let code = match rest {
            [b'%', high, low, after @ ..] => hex(*high, *low).map(|value| (value, after)),
            _ => None,
        };
        let (byte, after) = code.unwrap_or((if *byte == b'+' { b' ' } else { *byte }, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The query `?name=value&...` of these pairs; empty without pairs.
pub(crate) fn query_string<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<_> = pairs
        .into_iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_from_its_encoding() {
        for text in ["", "a b/c?d=e&f%20+ü", "100 %", "\u{0}\u{7f}"] {
            assert_eq!(decode(&encode(text)), text);
        }
    }

    #[test]
    fn what_is_no_percent_code_stays_as_it_is() {
        assert_eq!(decode("a+b%2Fc%2fd"), "a b/c/d");
        assert_eq!(decode("%"), "%");
        assert_eq!(decode("100%2"), "100%2");
        assert_eq!(decode("%zz%+1"), "%zz% 1");
        assert_eq!(decode("%FF"), "\u{fffd}");
    }
}
