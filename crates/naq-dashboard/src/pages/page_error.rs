//! [`PageError`]: a page that cannot be shown.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use naq_client::ClientError;
use naq_core::transport::TransportError;

use super::layout::{self, NavTab, PageContent};
use crate::page_request::PageRequest;
use crate::view::clip;

/// The most characters of a message.
const MAX_CHARS: usize = 1_000;

/// Why a page cannot be shown, and what the visitor can do.
#[derive(Debug)]
pub(crate) struct PageError {
    status: StatusCode,
    message: String,
    html: Option<String>,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    message: &'a str,
    home: String,
    /// Whether the page works again when the broker is back.
    is_temporary: bool,
}

impl PageError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        // The message may contain text from the URL.
        Self { status, message: clip(&message.into(), MAX_CHARS), html: None }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// A request to the broker failed.
    pub(crate) fn broker(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, message)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The error as a whole page, with navigation and banners.
    pub(super) fn in_layout(mut self, request: &PageRequest<'_>) -> Self {
        let is_temporary = self.status == StatusCode::BAD_GATEWAY;
        let page = ErrorPage { message: &self.message, home: request.link("/"), is_temporary };
        let body = page.render().unwrap_or_else(|err| err.to_string());
        let content = PageContent { title: "Error".into(), tab: NavTab::None, body };
        self.html = layout::render(request, content).ok();
        self
    }
}

impl PageError {
    /// The error page; empty before [`PageError::in_layout`].
    pub(crate) fn html(&self) -> &str {
        self.html.as_deref().unwrap_or_default()
    }
}

impl From<ClientError> for PageError {
    fn from(err: ClientError) -> Self {
        let status = match &err {
            ClientError::NoJob(_) => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_GATEWAY,
        };
        Self::new(status, err.to_string())
    }
}

impl From<TransportError> for PageError {
    fn from(err: TransportError) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, err.to_string())
    }
}

impl From<askama::Error> for PageError {
    fn from(err: askama::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, err.to_string())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self.html {
            Some(html) => (self.status, Html(html)).into_response(),
            None => (self.status, self.message).into_response(),
        }
    }
}
