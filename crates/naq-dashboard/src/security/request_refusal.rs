//! [`RequestRefusal`]: why a request is refused.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The status, and a sentence that says what to do about it; sent as plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestRefusal {
    pub(super) status: StatusCode,
    pub(super) text: String,
    /// Whether it ends a login that was right.
    pub(super) is_logout: bool,
}

impl RequestRefusal {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), is_logout: false }
    }

    pub(super) fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    /// Makes the browser forget the login that it sends: it asks for another one. A visitor who cancels
    /// that sees the text.
    pub(super) fn logged_out() -> Self {
        let text = "you are logged out";
        Self { is_logout: true, ..Self::new(StatusCode::UNAUTHORIZED, text) }
    }
}

impl IntoResponse for RequestRefusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.text + "\n").into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"NAQ\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.is_logout {
            // Browsers count logins of HTTP among the cookies. They heed this header only over TLS.
            let clear = HeaderValue::from_static("\"cache\", \"cookies\", \"storage\"");
            response.headers_mut().insert("clear-site-data", clear);
        }
        response
    }
}

/// The value of a header that must come exactly once; none otherwise.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}
