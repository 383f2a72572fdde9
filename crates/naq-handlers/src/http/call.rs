//! One request to a service.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName};
use hyper::{Method, Request as HttpRequest};

use super::target::Target;

/// The body of a request.
pub(super) type Body = Full<Bytes>;

/// What a service may answer with, the one that streams first.
const ACCEPTED: &str = "application/x-ndjson, application/json, text/plain;q=0.5";
/// The header with the signatures.
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("naq-signature");

/// Builds a request to a path of the service. A header with a value that HTTP does not allow is left
/// out: it stands in the body too.
pub(super) fn build(
    target: &Target,
    method: Method,
    path: &str,
    headers: &[(HeaderName, String)],
    body: Bytes,
) -> HttpRequest<Body> {
    let mut request = HttpRequest::new(Full::new(body));
    *request.method_mut() = method;
    // Each part is checked or encoded where the target is read.
    *request.uri_mut() = path.parse().unwrap_or_default();
    let fixed = [
        (HOST, target.authority.clone()),
        (CONTENT_TYPE, "application/json".to_owned()),
        (ACCEPT, ACCEPTED.to_owned()),
    ];
    for (name, value) in fixed.iter().chain(headers) {
        if let Ok(value) = value.parse() {
            request.headers_mut().insert(name, value);
        }
    }
    request
}
