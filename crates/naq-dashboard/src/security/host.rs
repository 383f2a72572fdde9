//! The check of the `Host` header: the dashboard answers only to allowed names. Another site can make
//! its own name resolve to this machine (DNS rebinding), but it cannot make the browser send an
//! allowed name.

use axum::http::{HeaderMap, StatusCode, Uri, header};

use super::request_refusal::{RequestRefusal, single};
use crate::view::clip;

/// The names of this machine that are always allowed.
const OWN: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Refuses a request for a name that is not allowed.
pub(super) fn check(
    headers: &HeaderMap,
    uri: &Uri,
    allowed: &[String],
) -> Result<(), RequestRefusal> {
    let misdirected = |text| Err(RequestRefusal::new(StatusCode::MISDIRECTED_REQUEST, text));
    let Some(authority) = authority(headers, uri) else {
        return misdirected(
            "the request must have exactly one Host header with a host name".to_owned(),
        );
    };
    let host = name(authority).unwrap_or(authority);
    let same = |name: &&str| name.eq_ignore_ascii_case(host);
    if OWN.iter().any(same) || allowed.iter().any(|name| same(&name.as_str())) {
        return Ok(());
    }
    let host = clip(host, 100);
    misdirected(format!(
        "this dashboard does not answer to the host name {host:?}; to allow it, add it to the \
         dashboard's public host names (Options::hosts)"
    ))
}

/// Host and port of the request: from its header, or (HTTP/2) from its URI.
pub(super) fn authority<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    match headers.contains_key(header::HOST) {
        true => single(headers, "host"),
        false => uri.authority().map(|authority| authority.as_str()),
    }
}

/// The name without its port; none if the text after the last colon is not a port.
fn name(authority: &str) -> Option<&str> {
    match authority.rsplit_once(':') {
        Some((name, port)) if !authority.ends_with(']') => {
            port.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
        }
        _ => Some(authority),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn is_allowed(hosts: &[&str], allowed: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).expect("a header"));
        }
        let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        check(&headers, &Uri::from_static("/"), &allowed).is_ok()
    }

    #[test]
    fn the_names_of_this_machine_are_allowed_with_any_port() {
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:8000"] {
            assert!(is_allowed(&[host], &[]), "{host}");
        }
    }

    #[test]
    fn other_names_are_refused_unless_they_are_allowed() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "localhost:80@evil.example",
            "",
            ":80",
            "::1",
        ] {
            assert!(!is_allowed(&[host], &["naq.example"]), "{host:?}");
        }
        assert!(is_allowed(&["naq.example:443"], &["NAQ.example"]));
    }

    #[test]
    fn a_request_without_a_name_or_with_two_is_refused() {
        assert!(!is_allowed(&[], &[]) && !is_allowed(&["localhost", "localhost"], &[]));
    }
}
