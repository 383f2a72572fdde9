//! The check of a gateway without keys: only programs of this machine may call it, and no web page. A page
//! can make a browser send requests to this machine. The browser names the page in `Origin`, or, if the
//! page's own name resolves to this machine (DNS rebinding), in `Host`.

use axum::http::{HeaderMap, StatusCode, header};

use super::single;
use crate::problem::Problem;

/// The names of this machine.
const OWN: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

pub(super) fn check(headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = |detail: &str| {
        let title = "A gateway without keys answers only to programs of this machine";
        Err(Problem::new(StatusCode::FORBIDDEN, "keys-needed", title, detail)
            .next("start the gateway with keys: naq gateway key add"))
    };
    let host = single(headers, header::HOST).map(|host| match host.rsplit_once(':') {
        Some((name, _)) if !host.ends_with(']') => name,
        _ => host,
    });
    if !host.is_some_and(|host| OWN.iter().any(|own| own.eq_ignore_ascii_case(host))) {
        return refuse("the Host header names no address of this machine");
    }
    if headers.contains_key(header::ORIGIN) {
        return refuse("the request comes from a web page");
    }
    Ok(())
}
