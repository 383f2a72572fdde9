//! [`Options`]: who may see what.

use std::time::Duration;

use crate::security::LONGEST;

/// How a dashboard behaves. The default is right for one person on their own machine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Where it is mounted, as in `/naq`: with a slash before it and none after. Empty by default.
    pub prefix: String,
    /// Host names, without port, under which it may be asked for, besides `localhost`, `127.0.0.1`
    /// and `[::1]`. A page of another name that resolves to this machine gets nothing.
    pub hosts: Vec<String>,
    /// Shows everything, changes nothing. Off by default.
    pub read_only: bool,
    /// Shows arguments and results of a job only when asked to. Off by default.
    pub hide_args: bool,
    /// Names that may be seen and act, with their passwords; without any, whoever reaches the page
    /// may.
    pub logins: Vec<(String, String)>,
    /// Words beside the name of the product, as `production`. None by default.
    pub environment: Option<String>,
    /// Live streams at once. One more gets none, and its page says so. 256 by default.
    pub max_tabs: usize,
    /// How often the broker is read; not zero. 1 second by default.
    pub interval: Duration,
}

/// An option that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The prefix.
    #[error("the prefix {0:?} is not like /naq: a slash before it, none after")]
    Prefix(String),
    /// A login.
    #[error(
        "the login {0:?} has no name or no password, a colon in its name, or more than 256 bytes in \
         either"
    )]
    Login(String),
    /// A host name.
    #[error("the host name {0:?} is not like naq.example.com or 10.0.0.7: no scheme, port or path")]
    Host(String),
    /// The interval.
    #[error("the interval is zero: the broker is read once a second by default")]
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
    /// Whether they can be, all together.
    ///
    /// # Errors
    /// [`OptionsError`], of the first that cannot.
    pub fn check(&self) -> Result<(), OptionsError> {
        let prefix = &self.prefix;
        let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
        let rooted = prefix.starts_with('/') && !prefix.ends_with('/') && !prefix.contains("//");
        if !(prefix.is_empty() || rooted && prefix.chars().all(plain)) {
            return Err(OptionsError::Prefix(prefix.clone()));
        }
        if self.interval.is_zero() {
            return Err(OptionsError::Interval);
        }
        let bad = |(name, password): &&(String, String)| {
            let long = name.len().max(password.len()) > LONGEST;
            name.is_empty() || password.is_empty() || name.contains(':') || long
        };
        let name = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
        let port = |host: &str| host.contains(':') && !host.ends_with(']');
        let wrong = |host: &&String| host.is_empty() || !host.chars().all(name) || port(host);
        if let Some(host) = self.hosts.iter().find(wrong) {
            return Err(OptionsError::Host(host.clone()));
        }
        match self.logins.iter().find(bad) {
            Some((name, _)) => Err(OptionsError::Login(name.clone())),
            None => Ok(()),
        }
    }
}
