//! The headers of a message as the broker stores them: one block of bytes, which a producer may have
//! written by hand. The broker does not check it.

use std::str::FromStr;

use async_nats::header::{HeaderName, HeaderValue};
use async_nats::{HeaderMap, StatusCode};

/// Reads a block. This refuses more than async-nats does: it also refuses what async-nats reads in
/// another way than the broker.
///
/// # Errors
/// What is wrong with the block, in a few words.
pub(crate) fn read(block: &[u8]) -> Result<HeaderMap, &'static str> {
    let mut headers = HeaderMap::new();
    if block.is_empty() {
        return Ok(headers);
    }
    let text = std::str::from_utf8(block).map_err(|_| "they are not UTF-8")?;
    let text = text.strip_prefix("NATS/1.0").ok_or("the version line is not NATS/1.0")?;
    let text = text.strip_suffix("\r\n\r\n").ok_or("they do not end with an empty line")?;
    let mut lines = text.split("\r\n").peekable();
    if text.split("\r\n").any(|line| line.contains(['\r', '\n'])) {
        return Err("a line contains a carriage return or a line feed");
    }
    let status = lines.next().unwrap_or_default().trim();
    let code = status.split_once(' ').map_or(status, |(code, _)| code);
    if !code.is_empty() && StatusCode::from_str(code).is_err() {
        return Err("the status is not a number of three digits");
    }
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or("a line has no colon")?;
        let name = HeaderName::from_str(name).map_err(|_| "a name is not valid")?;
        let mut value = value.to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with(char::is_whitespace)) {
            value.push_str(more);
        }
        let value = HeaderValue::from_str(value.trim()).map_err(|_| "a value is not valid")?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// Checks a subject as the JSON of the broker shows it. The protocol line of a delivery names it between
/// spaces, and it may not be UTF-8, which the JSON shows as U+FFFD.
///
/// # Errors
/// What is wrong with the subject, in a few words.
pub(crate) fn check_subject(subject: &str) -> Result<(), &'static str> {
    if subject.contains(char::REPLACEMENT_CHARACTER) {
        return Err("its subject is not UTF-8");
    }
    if subject.contains(char::is_whitespace) {
        return Err("its subject contains a space");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_a_client_wrote_is_read() {
        let block = b"NATS/1.0\r\nContent-Type: application/json\r\nA:1\r\nA: 2 \r\n\r\n";
        let headers = read(block).expect("reads");
        let all = |name: &str| headers.get_all(name).map(HeaderValue::as_str).collect::<Vec<_>>();
        assert_eq!(all("Content-Type"), ["application/json"]);
        assert_eq!(all("A"), ["1", "2"]);
        for empty in [&b""[..], b"NATS/1.0\r\n\r\n", b"NATS/1.0 503 No\r\n\r\n"] {
            assert!(read(empty).expect("reads").is_empty());
        }
        let folded = read(b"NATS/1.0\r\nA: 1\r\n 2\r\n\r\n").expect("reads");
        assert_eq!(folded.get("A").map(HeaderValue::as_str), Some("1 2"));
    }

    #[test]
    fn a_block_that_the_client_cannot_parse_is_refused() {
        for bad in [
            &b"NATS/1.0\r\nA: 1\rB\r\n\r\n"[..],
            b"NATS/1.0\r\nA: 1\nB: 2\r\n\r\n",
            b"NATS/1.0\r\nA: \xff\r\n\r\n",
            b"NATS/1.0\r\nA\r\n\r\n",
            b"NATS/1.0\r\nA b\x01: 1\r\n\r\n",
            b"NATS/1.0 abc\r\n\r\n",
            b"NATS/1.0 99\r\n\r\n",
            b"NATS/2.0\r\n\r\n",
            b"NATS/1.0\r\nA: 1",
            b"x",
            b"\r\n\r\n",
        ] {
            assert!(read(bad).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
        assert!(check_subject("naq.q.mail.1").is_ok());
        assert!(check_subject("naq.q.mail.a\u{a0}b").is_err());
        assert!(check_subject("naq.q.mail.\u{fffd}").is_err());
    }
}
