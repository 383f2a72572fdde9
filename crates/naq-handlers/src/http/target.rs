//! [`Target`]: where a service listens.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use hyper::Uri;
use naq_core::TaskName;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Where a service listens, and the path before the task. It comes from the configuration alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(super) address: Address,
    /// For the `Host` header.
    pub(super) authority: String,
    /// Without a `/` at its end.
    base: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

/// An address that a worker does not call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is no URL.
    #[error(
        "{0:?} is no URL: use http://127.0.0.1:8000/naq, https://host/naq, or unix:/run/app.sock"
    )]
    Invalid(String),
    /// It has a part that is not used.
    #[error("the URL {0:?} has a user, a query or a fragment: leave it out")]
    Extra(String),
    /// Plain HTTP to another machine.
    #[error(
        "{0:?} is another machine: use https, with keys in NAQ_HANDLER_KEYS or keys_file; plain http is for this machine"
    )]
    Plain(String),
    /// HTTPS without keys.
    #[error(
        "{0:?}: a service on another machine must know that a request comes from this worker: give \
         keys in NAQ_HANDLER_KEYS or keys_file"
    )]
    NoKeys(String),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        match text.strip_prefix("unix:") {
            Some(path) => Self::unix(path).ok_or_else(|| TargetError::Invalid(text.into())),
            None => Self::tcp(text),
        }
    }
}

impl Target {
    /// `/run/app.sock`, or with a path for the requests `/run/app.sock:/naq`.
    fn unix(text: &str) -> Option<Self> {
        let (path, base) = text.split_once(':').unwrap_or((text, ""));
        if path.is_empty() || !(base.is_empty() || base.starts_with('/')) {
            return None;
        }
        let base = base.trim_end_matches('/').to_owned();
        Some(Self { address: Address::Unix(path.into()), authority: "localhost".into(), base })
    }

    fn tcp(text: &str) -> Result<Self, TargetError> {
        let invalid = || TargetError::Invalid(text.into());
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(invalid()),
        };
        let authority = uri.authority().ok_or_else(invalid)?;
        if authority.as_str().contains('@') || uri.query().is_some() || text.contains('#') {
            return Err(TargetError::Extra(text.into()));
        }
        let host = uri.host().ok_or_else(invalid)?.trim_matches(['[', ']']).to_owned();
        if !tls && !is_this_machine(&host) {
            return Err(TargetError::Plain(text.into()));
        }
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let base = uri.path().trim_end_matches('/').to_owned();
        let address = Address::Tcp { host, port, tls };
        Ok(Self { address, authority: authority.to_string(), base })
    }

    /// Whether requests leave this machine.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.address, Address::Tcp { tls: true, .. })
    }

    /// The path of a task: its name is one segment, so that no name reaches another path.
    pub(super) fn path_of(&self, task: &TaskName) -> String {
        let task = utf8_percent_encode(task.as_str(), NON_ALPHANUMERIC).to_string();
        // These two are in most names, and mean nothing in a segment that has other characters.
        format!(
            "{}/{}",
            self.base,
            task.replace("%5F", "_").replace("%2D", "-").replace("%2E", ".")
        )
    }

    /// The path that lists the tasks.
    pub(super) fn path_of_list(&self) -> String {
        if self.base.is_empty() { "/".into() } else { self.base.clone() }
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Tcp { tls, .. } => {
                let scheme = if *tls { "https" } else { "http" };
                write!(f, "{scheme}://{}{}", self.authority, self.base)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_on_this_machine_or_behind_tls() {
        for text in [
            "http://127.0.0.1:8000/naq",
            "http://localhost",
            "http://[::1]:8000",
            "https://jobs.example.com/naq",
            "unix:/run/app.sock",
        ] {
            assert!(text.parse::<Target>().is_ok(), "{text}");
        }
        for (text, error) in [
            ("http://10.0.0.7:8000", "is another machine"),
            ("http://localhost.example.com", "is another machine"),
            ("ftp://localhost", "is no URL"),
            ("localhost:8000", "is no URL"),
            ("http://me:pw@localhost", "has a user"),
            ("http://localhost/?x=1", "has a user, a query"),
            ("unix:", "is no URL"),
        ] {
            let err = text.parse::<Target>().expect_err(text).to_string();
            assert!(err.contains(error), "{err}");
        }
    }

    #[test]
    fn a_task_is_one_segment_of_the_path() {
        let target: Target = "http://localhost:8000/naq/".parse().expect("a target");
        let path = |task: &str| target.path_of(&TaskName::new(task).expect("a task"));
        assert_eq!(path("email.send_now-2"), "/naq/email.send_now-2");
        assert_eq!(target.path_of_list(), "/naq");
        let socket: Target = "unix:/run/app.sock:/jobs".parse().expect("a target");
        assert_eq!(socket.path_of_list(), "/jobs");
        assert_eq!(socket.address, Address::Unix("/run/app.sock".into()));
    }
}
