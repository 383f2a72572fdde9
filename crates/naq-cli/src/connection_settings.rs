//! [`ConnectionSettings`]: how to reach one broker, as a file of contexts has it.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::exit::CliError;

/// How to reach one broker. Secrets are in the files that it names, not here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ConnectionSettings {
    pub(crate) nats_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nats_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nats_password_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nats_token_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nats_nkey: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nats_jwt: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nats_creds: Option<PathBuf>,
    pub(crate) nats_tls: bool,
    pub(crate) nats_tls_first: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nats_ca: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nats_cert: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nats_key: Option<PathBuf>,
    pub(crate) nats_inbox_prefix: String,
    pub(crate) prefix: String,
}

impl ConnectionSettings {
    /// How the broker knows the user, without secrets.
    pub(crate) fn login(&self) -> String {
        let file = |path: &PathBuf| path.display().to_string();
        match (&self.nats_creds, &self.nats_user, &self.nats_nkey, &self.nats_token_file) {
            (Some(creds), ..) => format!("creds {}", file(creds)),
            (_, Some(user), ..) => format!("user {user}"),
            (_, _, Some(seed), _) => format!("nkey {}", file(seed)),
            (_, _, _, Some(token)) => format!("token {}", file(token)),
            _ => "-".into(),
        }
    }
}

/// The colour of a label: of a context in questions, and of the environment in the dashboard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LabelColor {
    #[default]
    Red,
    Orange,
    Green,
    Blue,
    Grey,
}

/// The URL, if it has no password or token in it.
///
/// # Errors
/// A [`CliError`] that does not repeat the URL.
pub(crate) fn without_secret(url: &str) -> Result<String, CliError> {
    if url.contains('@') {
        return Err(CliError::usage("the URL has a password or a token in it").next(
            "leave it out of the URL; use --nats-user with --nats-password-file, or --nats-creds",
        ));
    }
    Ok(url.to_owned())
}
