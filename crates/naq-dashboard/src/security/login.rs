//! [`Logins`]: who sends a request, by HTTP Basic authentication or by a proxy that has logged them in.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use naq_core::{Clock, SystemClock};
use tokio::sync::Semaphore;

use super::request_refusal::{RequestRefusal, single};
use super::throttle::LoginThrottle;
use crate::access::Access;
use crate::options::Options;
use crate::sso::SsoProxy;
use crate::user::{User, same};

/// The header in which a proxy proves itself.
const PROXY_SECRET: &str = "x-naq-proxy-secret";
/// Passwords that are checked at once. Each takes a core and 19 MiB for a moment.
const CHECKS: usize = 2;

/// The users of a dashboard, and the logins of the last hour.
#[derive(Debug)]
pub(crate) struct Logins {
    users: Arc<Vec<User>>,
    proxy: Option<SsoProxy>,
    throttle: LoginThrottle,
    checks: Semaphore,
}

impl Logins {
    /// The logins of options that were checked.
    pub(crate) fn new(options: &Options) -> Self {
        let plain = options.logins.iter();
        let plain = plain.filter_map(|(name, password)| User::plain(name, password).ok());
        Self {
            users: Arc::new(plain.chain(options.users.iter().cloned()).collect()),
            proxy: options.sso.clone(),
            throttle: LoginThrottle::default(),
            checks: Semaphore::new(CHECKS),
        }
    }

    /// How many logins were refused since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.throttle.refused()
    }

    /// Whether visitors need a login.
    pub(crate) fn are_needed(&self) -> bool {
        !self.users.is_empty() || self.proxy.is_some()
    }

    /// The visitor; `local` if the dashboard has no logins. `peer` is the other end of the connection.
    pub(super) async fn check(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Result<Access, RequestRefusal> {
        if !self.are_needed() {
            return Ok(Access::local());
        }
        if let Some((proxy, given)) = self.proxy.as_ref().zip(headers.get(PROXY_SECRET)) {
            return self.check_proxy(proxy, given.as_bytes(), headers, peer);
        }
        let Some(given) = single(headers, header::AUTHORIZATION.as_str()) else {
            // The browser asks for them.
            return Err(unauthorized());
        };
        let guess = self.throttle.guess(given, basic(given).map(|(name, _)| name), peer);
        if let Some(user) = self.throttle.right(&guess, SystemClock.now()) {
            return Ok(Access::of(&user));
        }
        self.throttle.begin(&guess, SystemClock.now())?;
        match self.find(given).await {
            Some(user) => {
                self.throttle.on_right(guess, user.clone(), SystemClock.now());
                Ok(Access::of(&user))
            }
            None => {
                let known = guess.name.as_ref().filter(|name| self.named(name).is_some());
                // A password may have been typed into the field of the name.
                let login = known.map_or("(unknown)", String::as_str);
                self.throttle.on_wrong();
                tracing::warn!(login, peer = ?guess.peer, "a wrong login was refused");
                Err(unauthorized())
            }
        }
    }

    /// Ends a login: the next request with it is checked as the first one was. False if this login was
    /// not in use, so that a visitor who logs in again at the same address gets in.
    pub(super) fn log_out(&self, headers: &HeaderMap) -> bool {
        let given = single(headers, header::AUTHORIZATION.as_str());
        given.is_some_and(|given| self.throttle.forget(given))
    }

    fn check_proxy(
        &self,
        proxy: &SsoProxy,
        given: &[u8],
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Result<Access, RequestRefusal> {
        let text = String::from_utf8_lossy(given);
        let guess = self.throttle.guess(&text, None, peer);
        let is_right = single(headers, PROXY_SECRET).is_some_and(|it| same(it, &proxy.secret));
        if !is_right {
            self.throttle.begin(&guess, SystemClock.now())?;
            self.throttle.on_wrong();
            tracing::warn!(?peer, "a wrong secret of a proxy was refused");
            return Err(RequestRefusal::new(
                StatusCode::UNAUTHORIZED,
                "the proxy gave a wrong secret: give the dashboard and the proxy the same one",
            ));
        }
        let name = single(headers, &proxy.user_header).filter(|name| !name.is_empty());
        let Some(name) = name else {
            return Err(RequestRefusal::forbidden(format!(
                "the proxy named no visitor: it must set the header {}",
                proxy.user_header
            )));
        };
        let user = self.named(name).cloned();
        let user = user.or_else(|| User::without_password(name, proxy.role?).ok());
        match user {
            Some(user) => Ok(Access::of(&user).with_login(proxy.logout_url.is_some())),
            None => {
                self.throttle.on_wrong();
                tracing::warn!(?peer, "a visitor of the proxy is not among the users");
                Err(RequestRefusal::forbidden(
                    "this dashboard does not know you: an operator must add you to its users",
                ))
            }
        }
    }

    fn named(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name() == name)
    }

    /// The user whose name and password the header has.
    async fn find(&self, header: &str) -> Option<User> {
        let (name, password) = basic(header)?;
        let _place = self.checks.acquire().await.ok()?;
        let users = self.users.clone();
        let check = move || {
            let named = users.iter().filter(|user| user.name() == name);
            let mut named: Vec<_> = named.collect();
            let is_known = !named.is_empty();
            if !is_known {
                // A check that cannot succeed: the time that it takes does not reveal which names exist.
                named.extend(users.iter().find(|user| user.is_hashed()));
            }
            let found = named.into_iter().find(|user| user.is_password(&password));
            found.filter(|_| is_known).cloned()
        };
        tokio::task::spawn_blocking(check).await.ok().flatten()
    }
}

fn unauthorized() -> RequestRefusal {
    RequestRefusal::new(StatusCode::UNAUTHORIZED, "log in with a name and its password")
}

/// Name and password of a header for HTTP Basic authentication.
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, code) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then_some(())?;
    let text = String::from_utf8(STANDARD.decode(code.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    async fn check_header(header: Option<&str>) -> Result<String, RequestRefusal> {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            let value = HeaderValue::from_str(value).expect("a header");
            headers.insert(header::AUTHORIZATION, value);
        }
        let logins = vec![("ann".into(), "secret".into()), ("bob".into(), "a:b".into())];
        let options = Options { logins, ..Options::default() };
        let logins = Logins::new(&options);
        logins.check(&headers, None).await.map(|access| access.who)
    }

    fn encoded(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[tokio::test]
    async fn a_name_needs_its_own_password() {
        assert_eq!(check_header(Some(&encoded("ann:secret"))).await.as_deref(), Ok("ann"));
        assert_eq!(check_header(Some(&encoded("bob:a:b"))).await.as_deref(), Ok("bob"));
        let long = format!("ann:secret{}", "\0".repeat(300));
        for bad in ["ann:a:b", "ann:", "ann:secret\0", "ann", ":", "bob:a", &long] {
            let refused = check_header(Some(&encoded(bad))).await.expect_err(bad);
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        }
    }

    #[tokio::test]
    async fn a_request_without_a_valid_login_is_refused() {
        for bad in [None, Some(""), Some("Bearer x"), Some("Basic"), Some("Basic %%%")] {
            assert!(check_header(bad).await.is_err(), "{bad:?}");
        }
    }
}
