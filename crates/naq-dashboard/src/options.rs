//! [`Options`]: how a dashboard behaves, and who may use it.

use std::time::Duration;

use crate::sso::SsoProxy;
use crate::user::{MAX_LOGIN_BYTES, User};

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
    /// Logins: a name and a password each, in plain text; they may do everything. [`Options::users`] has
    /// hashed passwords and roles. Without any of them, everyone who can reach the dashboard may see and do
    /// everything. None by default.
    pub logins: Vec<(String, String)>,
    /// Users, each with a hashed password, a role and its queues. None by default.
    pub users: Vec<User>,
    /// A proxy that logs visitors in. None by default.
    pub sso: Option<SsoProxy>,
    /// A label in the head of each page, such as `production`. None by default.
    pub environment: Option<String>,
    /// The colour of that label. Red by default.
    pub environment_color: EnvironmentColor,
    /// How many tabs may have a live stream at once. A further tab gets no stream and shows that it is not
    /// live. 256 by default.
    pub max_tabs: usize,
    /// How often the dashboard reads the broker. Must not be zero. 1 second by default.
    pub interval: Duration,
}

/// The colour of the label in the head of each page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EnvironmentColor {
    /// Red: look twice before you act.
    #[default]
    Red,
    /// Orange.
    Orange,
    /// Green.
    Green,
    /// Blue.
    Blue,
    /// Grey.
    Grey,
}

impl EnvironmentColor {
    /// The class of the label in the style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Orange => "orange",
            Self::Green => "green",
            Self::Blue => "blue",
            Self::Grey => "grey",
        }
    }
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
    /// Two users with one name.
    #[error("there are two users with the name {0:?}: each name has one login")]
    User(String),
    /// An invalid proxy that logs visitors in.
    #[error("the proxy that logs visitors in is invalid: {0}")]
    Sso(&'static str),
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
            users: Vec::new(),
            sso: None,
            environment: None,
            environment_color: EnvironmentColor::Red,
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
        if let Some(fault) = self.sso.as_ref().and_then(SsoProxy::fault) {
            return Err(OptionsError::Sso(fault));
        }
        let plain = self.logins.iter().map(|(name, _)| name.as_str());
        for (at, user) in self.users.iter().enumerate() {
            let mut others = plain.clone().chain(self.users[..at].iter().map(User::name));
            if others.any(|name| name == user.name()) {
                return Err(OptionsError::User(user.name().to_owned()));
            }
        }
        self.check_logins()
    }

    fn check_logins(&self) -> Result<(), OptionsError> {
        match self.logins.iter().find(|(name, password)| User::plain(name, password).is_err()) {
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
