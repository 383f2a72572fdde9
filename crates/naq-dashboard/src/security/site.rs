//! From where a request comes: what browsers say of it, which no page can change.

use axum::http::{HeaderMap, Method, Uri};

use super::host::authority;
use super::refusal::{Refusal, only};

/// No form of another page can send it, and no script of one without asking first.
const MARK: &str = "x-naq-action";

/// Whether a request that changes something comes from a page of this dashboard.
pub(super) fn of_action(headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    let own = match headers.contains_key("sec-fetch-site") {
        true => only(headers, "sec-fetch-site") == Some("same-origin"),
        // Older browsers; and plain http to a name, where newer ones leave it out.
        false => same_origin(headers, uri),
    };
    if !own {
        return Err(Refusal::forbidden(
            "actions are taken from a page of this dashboard alone: the request is not proved to be \
             of the same origin",
        ));
    }
    if only(headers, MARK) != Some("1") {
        return Err(Refusal::forbidden("actions carry the header X-NAQ-Action: 1"));
    }
    Ok(())
}

/// Whether something may be read: other pages may lead here, and neither embed nor fetch.
pub(super) fn of_look(headers: &HeaderMap, method: &Method) -> Result<(), Refusal> {
    let foreign = headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    let leads = method == Method::GET && only(headers, "sec-fetch-mode") == Some("navigate");
    match foreign && !leads {
        true => Err(Refusal::forbidden("pages of other sites may link here, and do nothing else")),
        false => Ok(()),
    }
}

fn same_origin(headers: &HeaderMap, uri: &Uri) -> bool {
    let origin = only(headers, "origin").and_then(|origin| origin.split_once("://"));
    let host = authority(headers, uri);
    origin.is_some_and(|(scheme, name)| {
        matches!(scheme, "http" | "https") && host.is_some_and(|h| h.eq_ignore_ascii_case(name))
    })
}
