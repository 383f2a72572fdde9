//! [`PageError`]: a page that cannot be shown.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use naq_client::ClientError;
use naq_core::transport::TransportError;

use super::layout::{self, Content, Tab};
use crate::scene::Scene;
use crate::view::clip;

/// Characters of a message.
const LONGEST: usize = 1_000;

/// Why a page cannot be shown, and what to do about it.
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
    /// Whether it is worth another try when the broker is back.
    passes: bool,
}

impl PageError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        // It may repeat what was asked for.
        Self { status, message: clip(&message.into(), LONGEST), html: None }
    }

    pub(crate) fn no_such(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// What was asked of the broker did not work.
    pub(crate) fn broker(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, message)
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// With the page around it.
    pub(super) fn in_layout(mut self, scene: &Scene<'_>) -> Self {
        let passes = self.status == StatusCode::BAD_GATEWAY;
        let page = ErrorPage { message: &self.message, home: scene.link("/"), passes };
        let body = page.render().unwrap_or_else(|err| err.to_string());
        let content = Content { title: "Not shown".into(), tab: Tab::None, body };
        self.html = layout::render(scene, content).ok();
        self
    }
}

impl PageError {
    /// The page that says so, where there is one.
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
