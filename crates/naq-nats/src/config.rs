//! [`NatsConfig`]: the broker's address, credentials, encryption and time limits.

use std::fmt;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use naq_core::{Clock, SystemClock};

/// The log target of the client library async-nats, for log filters.
pub const CLIENT_LOG_TARGET: &str = "async_nats";

/// The directives of a log filter that hide what the client library logs with secrets in it: the request
/// to connect, and the addresses.
pub const CLIENT_LOG_SECRETS: &str = "async_nats::connection=debug,async_nats::connector=info";

/// A text that `Debug` does not show.
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

/// Credentials. With [`Auth::None`] the credentials in the URL are used, if it has any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// No credentials, or those in the URL or the client certificate.
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
    /// Two files: the user JWT and the seed.
    JwtFiles {
        /// The JWT.
        jwt: PathBuf,
        /// The seed that belongs to the JWT.
        seed: PathBuf,
    },
}

/// Transport encryption.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Use TLS even if the server does not require it. A `tls://` URL implies this.
    pub required: bool,
    /// Start TLS before the server sends its greeting (the server's setting `handshake_first`).
    pub first: bool,
    /// Trust this certificate authority (PEM) instead of those of the system.
    pub ca: Option<PathBuf>,
    /// The client certificate (PEM), for mTLS.
    pub cert: Option<PathBuf>,
    /// The key of the client certificate (PEM).
    pub key: Option<PathBuf>,
}

/// Where the streams that this process creates store their messages. The directory of workers is
/// always in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Storage {
    /// On disk.
    #[default]
    File,
    /// In memory: lost when the broker stops.
    Memory,
}

/// The settings of [`NatsTransport::connect`](crate::NatsTransport::connect). `Debug` shows no
/// secrets.
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
    /// One URL, or several with commas between them: `nats://host:4222`, `tls://host`.
    pub url: String,
    /// The prefix of all subjects, and in upper case of all stream names. Lower-case letters,
    /// digits and `-`. Default: `naq`.
    pub prefix: String,
    /// Replicas of each stream, if this process creates the first one of its prefix: the choice is
    /// written down in the broker, and then holds for each process. Use 3 or 5 in a cluster. Default:
    /// 0, which means no choice: 3 on a cluster, and 1 on a single server.
    pub replicas: usize,
    /// Where the streams that this process creates store their messages. Default: on disk.
    pub storage: Storage,
    /// How many jobs of one queue may run at once on all workers, for queues that this process
    /// creates. Default: no limit.
    pub concurrency_limit: Option<NonZeroU64>,
    /// Credentials. Default: none.
    pub auth: Auth,
    /// Transport encryption. Default: only if the server requires it.
    pub tls: Tls,
    /// The prefix of the subjects on which replies arrive. Default: `_INBOX`.
    pub inbox_prefix: String,
    /// The name that the broker's monitoring shows. Default: `naq`.
    pub name: String,
    /// How long one attempt to connect may take. Default: 5 s.
    pub connect_timeout: Duration,
    /// Try to connect until the broker is available, with no time limit. Refused credentials and a
    /// server that is too old still fail at once. Default: off.
    pub wait_for_broker: bool,
    /// How long to wait for one reply before the request is sent again. Default: 1.5 s.
    pub answer_timeout: Duration,
    /// How long an operation may take, with all its repeated requests. Default: 10 s.
    pub request_timeout: Duration,
    /// How often the client checks that the broker still replies. Default: 5 s.
    pub ping_interval: Duration,
    /// The clock of this process, which is compared with the broker's. Tests replace it.
    pub clock: Arc<dyn Clock>,
}

impl NatsConfig {
    /// The default settings with this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// Sets the prefix.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the credentials.
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

    /// The URLs without user, password and token, for logs and errors.
    pub fn redacted_url(&self) -> String {
        self.urls().map(redact).collect::<Vec<_>>().join(",")
    }

    /// The URLs, one by one.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        self.url.split(',').map(str::trim).filter(|url| !url.is_empty())
    }
}

/// Turns `nats://user:secret@host` into `nats://***@host`. The part after the host cannot contain
/// an `@`.
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
            replicas: 0,
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
