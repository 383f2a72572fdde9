//! [`SsoProxy`]: a proxy in front of the dashboard that has checked who the visitor is.

use axum::http::HeaderName;

use crate::user::Role;

/// The shortest secret, in bytes.
const MIN_SECRET: usize = 16;

/// A proxy that logs visitors in, such as oauth2-proxy or Authelia. It proves itself with a secret in the
/// header `X-NAQ-Proxy-Secret`, and names the visitor in another header.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SsoProxy {
    /// The secret that only the proxy and the dashboard know; at least 16 bytes.
    pub secret: String,
    /// The header with the visitor's name. `X-Forwarded-User` by default.
    pub user_header: String,
    /// The role of a visitor who is not among the users of the dashboard. Without it, such a visitor is
    /// refused. None by default.
    pub role: Option<Role>,
    /// The address of the proxy that logs a visitor out. Without it, pages have no link to log out. None by default.
    pub logout_url: Option<String>,
}

impl SsoProxy {
    /// A proxy with this secret.
    pub fn new(secret: impl Into<String>) -> Self {
        let user_header = "X-Forwarded-User".to_owned();
        Self { secret: secret.into(), user_header, role: None, logout_url: None }
    }

    /// What is wrong with it.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let is_link =
            |url: &String| ["https://", "http://", "/"].iter().any(|start| url.starts_with(start));
        match () {
            () if !(MIN_SECRET..=crate::user::MAX_LOGIN_BYTES).contains(&self.secret.len()) => {
                Some("the secret must have 16 to 256 bytes")
            }
            () if self.user_header.parse::<HeaderName>().is_err() => {
                Some("the name of the user header is not a header name")
            }
            () if self.logout_url.as_ref().is_some_and(|url| !is_link(url)) => {
                Some("the logout address must begin with https://, http:// or /")
            }
            () => None,
        }
    }
}

impl std::fmt::Debug for SsoProxy {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SsoProxy")
            .field("user_header", &self.user_header)
            .field("role", &self.role)
            .field("logout_url", &self.logout_url)
            .finish_non_exhaustive()
    }
}
