//! Opens the connection, with settings for a job queue. With async-nats' defaults a dead broker
//! would be noticed after minutes.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr};
use naq_core::SystemClock;
use naq_core::clock::{Clock, Timer};
use naq_core::transport::TransportError;

use crate::client_end::{ClientEnd, ClientLife};
use crate::config::{Auth, NatsConfig};
use crate::connection_monitor::ConnectionMonitor;
use crate::error;
use crate::wait_log::WaitLog;

/// The longest pause between two tries to connect.
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// Connects once, or repeats until it succeeds if the configuration asks for that.
pub(crate) async fn connect(
    config: &NatsConfig,
    monitor: &Arc<ConnectionMonitor>,
) -> Result<(Client, ClientEnd), TransportError> {
    let mut tries = 1;
    let mut log = WaitLog::default();
    loop {
        match connect_once(config, monitor).await {
            Err(error) if config.wait_for_broker && error.is_transient() => {
                log.failed(&error, SystemClock.now());
                tries += 1;
                SystemClock.sleep_until(SystemClock.now() + pause(tries)).await;
            }
            done => return done,
        }
    }
}

/// Connects once. The second part of the answer resolves when the client has ended.
pub(crate) async fn connect_once(
    config: &NatsConfig,
    monitor: &Arc<ConnectionMonitor>,
) -> Result<(Client, ClientEnd), TransportError> {
    let unreachable =
        |reason: String| TransportError::Unreachable { url: config.redacted_url(), reason };
    let parse = |url: &str| -> Result<ServerAddr, TransportError> {
        url.parse().map_err(|_| unreachable("not a nats:// URL".into()))
    };
    let mut addresses = config.urls().map(parse).collect::<Result<Vec<_>, _>>()?;
    let mut found: Vec<Auth> = addresses.iter().filter_map(credentials).collect();
    found.dedup();
    // The client logs its addresses at the level trace. It needs credentials in them only if they differ.
    if found.len() == 1 {
        let bare = config.urls().map(without_credentials);
        addresses = bare.map(|url| parse(&url)).collect::<Result<Vec<_>, _>>()?;
    }
    let url_auth = found.into_iter().next();
    if addresses.is_empty() {
        return Err(unreachable("no URL is given".into()));
    }
    let (life, end) = ClientEnd::pair();
    let options = options(config, monitor, url_auth, life)?;
    let client = options.connect(addresses).await;
    let client = client.map_err(|source| error::connect(&source, config.redacted_url()))?;
    Ok((client, end))
}

/// The credentials in a URL: user and password, or a token alone.
fn credentials(address: &ServerAddr) -> Option<Auth> {
    let user = decode(address.username()?);
    Some(match address.password() {
        Some(password) => Auth::UserPassword { user, password: decode(password).into() },
        None => Auth::Token(user.into()),
    })
}

/// Turns `nats://user:secret@host` into `nats://host`.
fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{host}")
}

/// Decodes the percent encoding of a URL.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn options(
    config: &NatsConfig,
    monitor: &Arc<ConnectionMonitor>,
    url_auth: Option<Auth>,
    life: ClientLife,
) -> Result<ConnectOptions, TransportError> {
    let monitor = Arc::clone(monitor);
    let mut options = ConnectOptions::new()
        .name(&config.name)
        .custom_inbox_prefix(&config.inbox_prefix)
        .connection_timeout(config.connect_timeout)
        .request_timeout(Some(config.answer_timeout))
        .ping_interval(config.ping_interval)
        .reconnect_delay_callback(pause)
        .require_tls(config.tls.required)
        .event_callback(move |event| {
            // The callback is dropped when the client ends, and `life` with it.
            let _ = &life;
            monitor.on_event(event);
            std::future::ready(())
        });
    if config.tls.first {
        options = options.tls_first();
    }
    if let Some(ca) = &config.tls.ca {
        options = options.add_root_certificates(ca.clone());
    }
    if let (Some(cert), Some(key)) = (&config.tls.cert, &config.tls.key) {
        options = options.add_client_certificate(cert.clone(), key.clone());
    }
    let auth = match &config.auth {
        Auth::None => url_auth.unwrap_or_default(),
        given => given.clone(),
    };
    authenticate(options, auth)
}

fn authenticate(options: ConnectOptions, auth: Auth) -> Result<ConnectOptions, TransportError> {
    let read = |path: &std::path::Path| {
        std::fs::read_to_string(path)
            .map_err(|e| TransportError::Auth(format!("cannot read {}: {e}", path.display())))
    };
    let with_creds = |options: ConnectOptions, creds: &str, from: &std::path::Path| {
        options.credentials(creds).map_err(|_| {
            TransportError::Auth(format!("{} contains no user JWT with its seed", from.display()))
        })
    };
    Ok(match auth {
        Auth::None => options,
        Auth::UserPassword { user, password } => {
            options.user_and_password(user, password.expose().to_owned())
        }
        Auth::Token(token) => options.token(token.expose().to_owned()),
        Auth::NkeyFile(path) => {
            let text = read(&path)?;
            let seed = text.lines().map(str::trim).find(|line| line.starts_with("SU"));
            let seed = seed.ok_or_else(|| {
                TransportError::Auth(format!("{} contains no nkey seed (SU...)", path.display()))
            })?;
            options.nkey(seed.to_owned())
        }
        Auth::CredsFile(path) => with_creds(options, &read(&path)?, &path)?,
        Auth::JwtFiles { jwt, seed } => {
            let creds = format!(
                "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
                 -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
                read(&jwt)?.trim(),
                read(&seed)?.trim(),
            );
            with_creds(options, &creds, &jwt)?
        }
    })
}

/// How long to wait before the try with this number, counted from 1. The first try does not wait.
/// Later ones wait a random time up to a bound that grows to half a second, so that many clients do
/// not reconnect at the same time.
pub(crate) fn pause(tries: usize) -> Duration {
    if tries <= 1 {
        return Duration::ZERO;
    }
    let doublings = u32::try_from(tries).unwrap_or(u32::MAX).min(10);
    let bound = (Duration::from_millis(10) * 2u32.pow(doublings)).min(MAX_PAUSE);
    random_up_to(bound)
}

/// A random time between zero and `bound`.
pub(crate) fn random_up_to(bound: Duration) -> Duration {
    let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX).max(1);
    Duration::from_micros(RandomState::new().hash_one(micros) % micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_zero_to_half_a_second() {
        assert_eq!(pause(1), Duration::ZERO);
        for tries in [2, 3, 10, 1000, usize::MAX] {
            assert!(pause(tries) <= MAX_PAUSE, "{tries}");
        }
        assert!((0..100).any(|_| pause(50) > MAX_PAUSE / 2));
    }

    #[test]
    fn the_client_gets_no_credentials_in_its_addresses() {
        for (url, bare) in [
            ("nats://u:p@ss@h:4222", "nats://h:4222"),
            ("tls://t0ken@h", "tls://h"),
            ("u:p@h", "nats://h"),
            ("nats://h", "nats://h"),
        ] {
            assert_eq!(without_credentials(url), bare);
        }
    }

    #[test]
    fn credentials_in_a_url_are_decoded() {
        let of = |url: &str| credentials(&url.parse().expect("a URL"));
        assert_eq!(of("nats://h"), None);
        assert_eq!(of("nats://t%40k@h"), Some(Auth::Token("t@k".into())));
        let expected = Auth::UserPassword { user: "u".into(), password: "p:%a".into() };
        assert_eq!(of("nats://u:p%3A%25a@h"), Some(expected));
        assert_eq!(decode("100%"), "100%");
    }
}
