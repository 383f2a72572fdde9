//! [`Protection`]: how the connection is protected against others on the way to the broker.

use crate::config::{Auth, NatsConfig};

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    Tls,
    Loopback,
    /// Plain text, and a password or a token is sent.
    PlainSecret,
    Plain,
}

pub(crate) fn protection(config: &NatsConfig, server_needs_tls: bool) -> Protection {
    let tls = config.tls.required || config.tls.first || server_needs_tls;
    if tls || config.urls().all(|url| url.starts_with("tls://")) {
        return Protection::Tls;
    }
    if config.urls().all(|url| is_loopback(host(url))) {
        return Protection::Loopback;
    }
    let in_url = matches!(config.auth, Auth::None) && config.urls().any(|url| url.contains('@'));
    match config.auth {
        Auth::UserPassword { .. } | Auth::Token(_) => Protection::PlainSecret,
        _ if in_url => Protection::PlainSecret,
        _ => Protection::Plain,
    }
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    match rest.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => rest.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Logs a password or a token that was sent in plain text.
pub(crate) fn warn_of_plain_secret(config: &NatsConfig, server_needs_tls: bool) {
    if protection(config, server_needs_tls) == Protection::PlainSecret {
        tracing::warn!(
            url = %config.redacted_url(),
            "the password or token was sent to the broker in plain text: everyone on the way can read \
             it; use TLS, or an nkey or creds file, which sends no secret"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_plain_text_is_found_except_on_this_machine() {
        let password = Auth::UserPassword { user: "ann".into(), password: "p".into() };
        let of =
            |url: &str, auth: &Auth, tls| protection(&NatsConfig::new(url).auth(auth.clone()), tls);
        for (url, auth, tls, wanted) in [
            ("nats://10.0.0.7", &password, false, Protection::PlainSecret),
            ("nats://u:p@example.com:4222", &Auth::None, false, Protection::PlainSecret),
            ("nats://t0ken@example.com", &Auth::None, false, Protection::PlainSecret),
            ("nats://example.com", &Auth::CredsFile("x".into()), false, Protection::Plain),
            ("nats://10.0.0.7", &password, true, Protection::Tls),
            ("tls://10.0.0.7", &password, false, Protection::Tls),
            ("nats://u:p@localhost:4222", &Auth::None, false, Protection::Loopback),
            ("nats://127.0.0.1,nats://[::1]:4222", &password, false, Protection::Loopback),
            ("nats://127.0.0.1,nats://10.0.0.7", &password, false, Protection::PlainSecret),
        ] {
            assert_eq!(of(url, auth, tls), wanted, "{url}");
        }
    }
}
