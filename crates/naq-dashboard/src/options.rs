//! [`Options`]: how a dashboard behaves, and who may use it.

use std::time::Duration;

/// The longest name and the longest password of a login, in bytes.
pub(crate) const MAX_LOGIN_BYTES: usize = 256;

/// How a dashboard behaves. The default suits one person on their own machine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The path that the dashboard is mounted at, such as `/naq`: a slash before it and none after it.
    /// Empty by default.
    pub prefix: String,
    /// The host names, without port, that the dashboard answers to, besides `localhost`, `127.0.0.1`
    /// and `[::1]`. Any other host name is refused, even if it resolves to this machine.
    pub hosts: Vec<String>,
    /// Shows everything and refuses every action. Off by default.
    pub read_only: bool,
    /// Hides arguments and results of all jobs, from every visitor. Off by default.
    pub hide_args: bool,
    /// Logins: a name and a password each. Without logins, everyone who can reach the dashboard may
    /// see and do everything. None by default.
    pub logins: Vec<(String, String)>,
    /// A label in the head of each page, such as `production`. None by default.
    pub environment: Option<String>,
    /// How many tabs may have a live stream at once. A further tab gets no stream and shows that it is not
    /// live. 256 by default.
    pub max_tabs: usize,
    /// How often the dashboard reads the broker. Must not be zero. 1 second by default.
    pub interval: Duration,
}

/// An option with an invalid value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// An invalid prefix.
    #[error(
        "the prefix {0:?} is invalid: use a path such as /naq, with a slash before it and none after"
    )]
    Prefix(String),
    /// An invalid login.
    #[error(
        "the login {0:?} is invalid: name and password must not be empty nor longer than \
         {MAX_LOGIN_BYTES} bytes, and the name must not have a colon"
    )]
    Login(String),
    /// An invalid host name.
    #[error(
        "the host name {0:?} is invalid: use a name such as naq.example.com or 10.0.0.7, without \
         scheme, port or path"
    )]
    Host(String),
    /// An invalid interval.
    #[error("the interval is zero: use a time such as 1 second")]
    Interval,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            hosts: Vec::new(),
            read_only: false,
            hide_args: false,
            logins: Vec::new(),
            environment: None,
            max_tabs: 256,
            interval: Duration::from_secs(1),
        }
    }
}

impl Options {
    /// Checks all options.
    ///
    /// # Errors
    /// [`OptionsError`] for the first option with an invalid value.
    pub fn check(&self) -> Result<(), OptionsError> {
        if !is_prefix(&self.prefix) {
            return Err(OptionsError::Prefix(self.prefix.clone()));
        }
        if self.interval.is_zero() {
            return Err(OptionsError::Interval);
        }
        if let Some(host) = self.hosts.iter().find(|host| !is_host(host)) {
            return Err(OptionsError::Host(host.clone()));
        }
        match self.logins.iter().find(|(name, password)| !is_login(name, password)) {
            Some((name, _)) => Err(OptionsError::Login(name.clone())),
            None => Ok(()),
        }
    }
}

fn is_prefix(prefix: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
    let rooted = prefix.starts_with('/') && !prefix.ends_with('/') && !prefix.contains("//");
    prefix.is_empty() || rooted && prefix.chars().all(plain)
}

fn is_host(host: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    let has_port = host.contains(':') && !host.ends_with(']');
    !host.is_empty() && host.chars().all(plain) && !has_port
}

fn is_login(name: &str, password: &str) -> bool {
    let given = |text: &str| !text.is_empty() && text.len() <= MAX_LOGIN_BYTES;
    given(name) && given(password) && !name.contains(':')
}
