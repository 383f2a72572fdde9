//! [`NatsConfig`]: where the broker is, how to be let in, and how patient to be.

use std::fmt;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use naq_core::{Clock, SystemClock};

/// The target under which the client library itself logs, for those who filter logs.
pub const CLIENT_LOG_TARGET: &str = "async_nats";

/// Text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// How to be let in. Credentials in a URL count where this says [`Auth::None`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// By nobody's name, or by what the URL or the client certificate says.
    #[default]
    None,
    /// A user and a password.
    UserPassword {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Token(Secret),
    /// A file with an nkey seed (`SU...`).
    NkeyFile(PathBuf),
    /// A `.creds` file: user JWT and seed.
    CredsFile(PathBuf),
    /// User JWT and seed in a file each.
    JwtFiles {
        /// The JWT.
        jwt: PathBuf,
        /// The seed that signs for it.
        seed: PathBuf,
    },
}

/// Transport encryption.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Encrypt even where the server does not ask for it; implied by a `tls://` URL.
    pub required: bool,
    /// Begin with TLS before the server has said anything (`handshake_first` of the server).
    pub first: bool,
    /// Trust this authority (PEM) instead of those of the system.
    pub ca: Option<PathBuf>,
    /// Show this certificate (PEM): mTLS.
    pub cert: Option<PathBuf>,
    /// The key of that certificate (PEM).
    pub key: Option<PathBuf>,
}

/// Where streams that this process creates keep their messages. The directory of workers is always
/// in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Storage {
    /// On disk.
    #[default]
    File,
    /// In memory: lost when the broker ends.
    Memory,
}

/// Everything that [`NatsTransport::connect`](crate::NatsTransport::connect) needs. `Debug` shows no
/// secret.
///
/// ```
/// use naq_nats::NatsConfig;
///
/// let config = NatsConfig::new("nats://localhost:4222").prefix("staging");
/// assert_eq!(config.redacted_url(), "nats://localhost:4222");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct NatsConfig {
    /// One URL or several with commas between: `nats://host:4222`, `tls://host`.
    pub url: String,
    /// What all subjects begin with, and in upper case all streams: `naq`. Lower-case letters,
    /// digits and `-`.
    pub prefix: String,
    /// Copies of each stream that this process creates: 1; in a cluster 3 or 5.
    pub replicas: usize,
    /// Where streams that this process creates keep their messages: on disk.
    pub storage: Storage,
    /// Jobs of one queue that may run at once across all workers, for queues that this process
    /// creates: no limit.
    pub concurrency_limit: Option<NonZeroU64>,
    /// How to be let in.
    pub auth: Auth,
    /// Transport encryption.
    pub tls: Tls,
    /// What the subjects begin with on which answers come: `_INBOX`.
    pub inbox_prefix: String,
    /// The name that the broker's monitoring shows: `naq`.
    pub name: String,
    /// How long one attempt to connect may take: 5 s.
    pub connect_timeout: Duration,
    /// Try to connect until it works, however long the broker is away. Refused credentials and a
    /// server that is too old still fail at once. Off.
    pub wait_for_broker: bool,
    /// How long to wait for one answer before asking again: 1.5 s.
    pub answer_timeout: Duration,
    /// How long an operation may take in all, asked again as often as need be: 10 s.
    pub request_timeout: Duration,
    /// How often to ask the broker whether it is still there: 5 s.
    pub ping_interval: Duration,
    /// This process's clock; the broker's is compared with it. For tests.
    pub clock: Arc<dyn Clock>,
}

impl NatsConfig {
    /// The defaults, and this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// Sets the prefix.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how to be let in.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Sets the encryption.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Sets the name that the broker's monitoring shows.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The URLs without user, password and token: fit for logs and errors.
    pub fn redacted_url(&self) -> String {
        self.urls().map(redact).collect::<Vec<_>>().join(",")
    }

    /// Each of the URLs.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        self.url.split(',').map(str::trim).filter(|url| !url.is_empty())
    }
}

/// `nats://user:secret@host` as `nats://***@host`. An `@` cannot stand in what follows the host.
fn redact(url: &str) -> String {
    let (scheme, rest) =
        url.split_once("://").map_or(("", url), |(s, rest)| (&url[..s.len() + 3], rest));
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}***@{host}"),
        None => url.to_owned(),
    }
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self {
            url: "nats://localhost:4222".into(),
            prefix: "naq".into(),
            replicas: 1,
            storage: Storage::File,
            concurrency_limit: None,
            auth: Auth::None,
            tls: Tls::default(),
            inbox_prefix: "_INBOX".into(),
            name: "naq".into(),
            connect_timeout: Duration::from_secs(5),
            wait_for_broker: false,
            answer_timeout: Duration::from_millis(1500),
            request_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(5),
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConfig")
            .field("url", &self.redacted_url())
            .field("prefix", &self.prefix)
            .field("replicas", &self.replicas)
            .field("storage", &self.storage)
            .field("concurrency_limit", &self.concurrency_limit)
            .field("auth", &self.auth)
            .field("tls", &self.tls)
            .field("inbox_prefix", &self.inbox_prefix)
            .field("name", &self.name)
            .field("connect_timeout", &self.connect_timeout)
            .field("wait_for_broker", &self.wait_for_broker)
            .field("answer_timeout", &self.answer_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("ping_interval", &self.ping_interval)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("nats://h:4222", "nats://h:4222"),
            ("nats://u:p@h", "nats://***@h"),
            ("nats://t0ken@h:1,tls://u:p@ss@i", "nats://***@h:1,tls://***@i"),
            ("u:p@h", "***@h"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(NatsConfig::new(url).redacted_url(), shown);
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let auth = Auth::UserPassword { user: "ann".into(), password: "hunter2".into() };
        let mut config = NatsConfig::new("nats://bob:hunter2@h").auth(auth);
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
        config.auth = Auth::Token("hunter2".into());
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    }
}
