//! [`QueryFields`], [`BodyFields`], [`JsonBody`]: the fields of a query, of a JSON body that may be missing, and of
//! one that may not.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use naq_core::retry::read_duration;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use crate::problem::Problem;

/// The fields of the query.
#[derive(Debug)]
pub(crate) struct QueryFields<T>(pub(crate) T);

/// The fields of the JSON body. Without a body all fields have their defaults.
#[derive(Debug)]
pub(crate) struct BodyFields<T>(pub(crate) T);

/// The fields of a JSON body that must be there.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|err| Problem::bad_request(err.body_text()))?;
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|err| Problem::bad_request(format!("the body: {err}")))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryFields<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(fields)| Self(fields))
            .map_err(|err| Problem::bad_request(format!("the query: {}", err.body_text())))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for BodyFields<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|err| Problem::bad_request(err.body_text()))?;
        if body.trim_ascii().is_empty() {
            return Ok(Self(T::default()));
        }
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|err| Problem::bad_request(format!("the body: {err}")))
    }
}

/// A span of time as text, such as `30s`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let span = read_duration(text);
    span.ok_or_else(|| format!("{:?}: use a span such as 500ms, 5s, 1m30s, 2h or 1d", clip(text)))
}

fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

/// For `#[serde(deserialize_with)]`: a span of time, or none.
pub(crate) fn maybe_span<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
    let text = Option::<String>::deserialize(d)?;
    text.map(|text| span(&text)).transpose().map_err(D::Error::custom)
}
