//! [`Options`]: who may see what.

use std::time::Duration;

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
    /// How often the broker is read. 1 second by default.
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
    #[error("the login {0:?} has no name or no password, or a colon in its name")]
    Login(String),
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
    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        let prefix = &self.prefix;
        let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
        let rooted = prefix.starts_with('/') && !prefix.ends_with('/') && !prefix.contains("//");
        if !prefix.is_empty() && !(rooted && prefix.chars().all(plain)) {
            return Err(OptionsError::Prefix(prefix.clone()));
        }
        let bad = |(name, password): &&(String, String)| {
            name.is_empty() || password.is_empty() || name.contains(':')
        };
        match self.logins.iter().find(bad) {
            Some((name, _)) => Err(OptionsError::Login(name.clone())),
            None => Ok(()),
        }
    }
}
