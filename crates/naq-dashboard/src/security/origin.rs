//! The origin of a request, from headers that the browser sets and no page can change.

use axum::http::{HeaderMap, Method, Uri};

use super::host::authority;
use super::request_refusal::{RequestRefusal, single};

/// A header that a form cannot send, and that a script of another site may send only with
/// this dashboard's permission. The dashboard never permits it.
const ACTION_HEADER: &str = "x-naq-action";

/// Refuses an action that does not come from a page of this dashboard.
pub(super) fn check_action_origin(headers: &HeaderMap, uri: &Uri) -> Result<(), RequestRefusal> {
    let own = match headers.contains_key("sec-fetch-site") {
        true => single(headers, "sec-fetch-site") == Some("same-origin"),
        // Older browsers do not send Sec-Fetch-Site, and newer ones leave it out for plain HTTP.
        false => same_origin(headers, uri),
    };
    if !own {
        return Err(RequestRefusal::forbidden(
            "an action must come from a page of this dashboard: the request does not prove that it \
             has the same origin",
        ));
    }
    if single(headers, ACTION_HEADER) != Some("1") {
        return Err(RequestRefusal::forbidden("an action needs the header X-NAQ-Action: 1"));
    }
    Ok(())
}

/// Refuses a read by another site that is not a link: other sites may neither embed nor fetch a page.
pub(super) fn check_read_origin(
    headers: &HeaderMap,
    method: &Method,
) -> Result<(), RequestRefusal> {
    let foreign = headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    let is_link = method == Method::GET && single(headers, "sec-fetch-mode") == Some("navigate");
    match foreign && !is_link {
        true => Err(RequestRefusal::forbidden(
            "other sites may link to this dashboard, and may not embed or fetch it",
        )),
        false => Ok(()),
    }
}

fn same_origin(headers: &HeaderMap, uri: &Uri) -> bool {
    let origin = single(headers, "origin").and_then(|origin| origin.split_once("://"));
    let host = authority(headers, uri);
    origin.is_some_and(|(scheme, name)| {
        matches!(scheme, "http" | "https") && host.is_some_and(|h| h.eq_ignore_ascii_case(name))
    })
}
