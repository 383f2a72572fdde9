//! HTTP Basic authentication, for a dashboard with logins.

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq};

use super::request_refusal::{RequestRefusal, single};
use crate::options::MAX_LOGIN_BYTES;

/// The login of the request; `local` if the dashboard has no logins.
pub(super) fn check(
    headers: &HeaderMap,
    logins: &[(String, String)],
) -> Result<String, RequestRefusal> {
    if logins.is_empty() {
        return Ok("local".to_owned());
    }
    let given = single(headers, header::AUTHORIZATION.as_str()).and_then(read);
    let found = given.and_then(|(name, password)| find(logins, &name, &password));
    found.ok_or_else(|| {
        RequestRefusal::new(StatusCode::UNAUTHORIZED, "log in with a name and its password")
    })
}

/// The name that a header gives.
pub(super) fn name(header: &str) -> Option<String> {
    read(header).map(|(name, _)| name)
}

fn read(header: &str) -> Option<(String, String)> {
    let (scheme, code) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then_some(())?;
    let text = String::from_utf8(STANDARD.decode(code.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Compares with every login in full, so that the time that it takes reveals nothing.
fn find(logins: &[(String, String)], name: &str, password: &str) -> Option<String> {
    let mut found = None;
    for login in logins {
        let both = same(name, &login.0) & same(password, &login.1);
        if both.into() {
            found = Some(login.0.clone());
        }
    }
    found
}

fn same(given: &str, wanted: &str) -> Choice {
    let padded = |text: &str| {
        let mut out = [0; MAX_LOGIN_BYTES];
        out.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        out
    };
    let lengths = (given.len() as u64).ct_eq(&(wanted.len() as u64));
    padded(given).ct_eq(&padded(wanted)) & lengths
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check_header(header: Option<&str>) -> Result<String, RequestRefusal> {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            let value = HeaderValue::from_str(value).expect("a header");
            headers.insert(header::AUTHORIZATION, value);
        }
        let logins = [("ann", "secret"), ("bob", "a:b")];
        check(&headers, &logins.map(|(name, password)| (name.into(), password.into())))
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn a_name_needs_its_own_password() {
        assert_eq!(check_header(Some(&basic("ann:secret"))).as_deref(), Ok("ann"));
        assert_eq!(check_header(Some(&basic("bob:a:b"))).as_deref(), Ok("bob"));
        let long = format!("ann:secret{}", "\0".repeat(300));
        for bad in ["ann:a:b", "ann:", "ann:secret\0", "ann", ":", "bob:a", &long] {
            let refused = check_header(Some(&basic(bad))).expect_err(bad);
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        }
    }

    #[test]
    fn a_request_without_a_valid_login_is_refused() {
        for bad in [None, Some(""), Some("Bearer x"), Some("Basic"), Some("Basic %%%")] {
            assert!(check_header(bad).is_err(), "{bad:?}");
        }
    }
}
