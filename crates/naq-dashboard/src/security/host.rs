//! For whom the page answers: a name in the `Host` header that somebody allowed. A page elsewhere can
//! make its own name resolve to this machine (DNS rebinding); it cannot change the name.

use axum::http::{HeaderMap, StatusCode, Uri, header};

use super::refusal::{Refusal, only};
use crate::view::clip;

/// Names of this machine for itself.
const OWN: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Whether a request is for a name that is allowed.
pub(super) fn check(headers: &HeaderMap, uri: &Uri, allowed: &[String]) -> Result<(), Refusal> {
    let misdirected = |text| Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, text));
    let Some(authority) = authority(headers, uri) else {
        return misdirected("the request names no host, or several, in its Host header".to_owned());
    };
    let host = name(authority).unwrap_or(authority);
    let same = |name: &&str| name.eq_ignore_ascii_case(host);
    if OWN.iter().any(same) || allowed.iter().any(|name| same(&name.as_str())) {
        return Ok(());
    }
    let host = clip(host, 100);
    misdirected(format!(
        "this dashboard does not answer to the name {host:?}; if that is its name, allow it: \
         naq dashboard --public-host NAME (in an application: Options::hosts)"
    ))
}

/// Host and port as the request has them: in its header, or (HTTP/2) in its address.
pub(super) fn authority<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    match headers.contains_key(header::HOST) {
        true => only(headers, "host"),
        false => uri.authority().map(|authority| authority.as_str()),
    }
}

/// The name without its port; none when what follows the last colon is no port.
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

    fn asked(hosts: &[&str], allowed: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).expect("a header"));
        }
        let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        check(&headers, &Uri::from_static("/"), &allowed).is_ok()
    }

    #[test]
    fn this_machine_is_asked_for_by_its_own_names_at_any_port() {
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:8000"] {
            assert!(asked(&[host], &[]), "{host}");
        }
    }

    #[test]
    fn other_names_are_refused_unless_allowed() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "localhost:80@evil.example",
            "",
            ":80",
            "::1",
        ] {
            assert!(!asked(&[host], &["naq.example"]), "{host:?}");
        }
        assert!(asked(&["naq.example:443"], &["NAQ.example"]));
    }

    #[test]
    fn no_name_and_two_names_are_refused() {
        assert!(!asked(&[], &[]) && !asked(&["localhost", "localhost"], &[]));
    }
}
