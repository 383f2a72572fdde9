//! The broker's address and credentials, from flags and variables. Secrets come from variables or
//! files and are never printed. There are no arguments for secrets, because other processes can read a
//! command line.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use clap::{Args, ValueEnum};
use naq_client::Client;
use naq_nats::{Auth, NatsConfig, NatsTransport, Secret, Storage, Tls};

use crate::connection_settings::{ConnectionSettings, without_secret};
use crate::exit::CliError;
use crate::keys::ClientKeys;
use crate::secret_files::is_open_to_all;

/// The value of `--storage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StorageArg {
    /// On disk.
    File,
    /// In memory. The data is lost when the broker ends.
    Memory,
}

/// The connection options.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// The broker's address, or several, separated by commas
    #[arg(
        short = 'u',
        long,
        global = true,
        env = "NAQ_NATS_URL",
        value_name = "URL",
        default_value = "nats://localhost:4222"
    )]
    nats_url: String,
    /// Whether the user gave an address. If not, `nats_url` is the default.
    #[arg(skip)]
    pub(crate) is_given: bool,
    /// Whether a context gave these options.
    #[arg(skip)]
    is_of_context: bool,
    /// User name; the password is in NAQ_NATS_PASSWORD or in a file
    #[arg(long, global = true, env = "NAQ_NATS_USER", value_name = "USER", hide_short_help = true)]
    nats_user: Option<String>,
    /// File with the password [variable for the password itself: NAQ_NATS_PASSWORD]
    #[arg(
        long,
        global = true,
        env = "NAQ_NATS_PASSWORD_FILE",
        value_name = "FILE",
        hide_short_help = true
    )]
    nats_password_file: Option<PathBuf>,
    /// File with a token [variable for the token itself: NAQ_NATS_TOKEN]
    #[arg(
        long,
        global = true,
        env = "NAQ_NATS_TOKEN_FILE",
        value_name = "FILE",
        hide_short_help = true
    )]
    nats_token_file: Option<PathBuf>,
    /// File with an nkey seed
    #[arg(long, global = true, env = "NAQ_NATS_NKEY", value_name = "FILE", hide_short_help = true)]
    nats_nkey: Option<PathBuf>,
    /// File with a user JWT; its seed is in --nats-nkey
    #[arg(long, global = true, env = "NAQ_NATS_JWT", value_name = "FILE", hide_short_help = true)]
    nats_jwt: Option<PathBuf>,
    /// Credentials file, with JWT and seed
    #[arg(
        long,
        global = true,
        env = "NAQ_NATS_CREDS",
        value_name = "FILE",
        hide_short_help = true
    )]
    nats_creds: Option<PathBuf>,
    /// Use TLS even if the broker does not require it
    #[arg(long, global = true, env = "NAQ_NATS_TLS", hide_short_help = true)]
    nats_tls: bool,
    /// Start TLS before the broker sends its first message
    #[arg(long, global = true, env = "NAQ_NATS_TLS_FIRST", hide_short_help = true)]
    nats_tls_first: bool,
    /// Trust this certificate authority (PEM) instead of the system's
    #[arg(long, global = true, env = "NAQ_NATS_CA", value_name = "FILE", hide_short_help = true)]
    nats_ca: Option<PathBuf>,
    /// Client certificate (PEM), for mTLS
    #[arg(long, global = true, env = "NAQ_NATS_CERT", value_name = "FILE", hide_short_help = true)]
    nats_cert: Option<PathBuf>,
    /// Key of the client certificate (PEM)
    #[arg(long, global = true, env = "NAQ_NATS_KEY", value_name = "FILE", hide_short_help = true)]
    nats_key: Option<PathBuf>,
    /// The prefix of the subjects on which the broker replies
    #[arg(
        long,
        global = true,
        env = "NAQ_NATS_INBOX_PREFIX",
        value_name = "SUBJECT",
        default_value = "_INBOX",
        hide_short_help = true
    )]
    nats_inbox_prefix: String,
    /// The prefix of all NAQ subjects and streams
    #[arg(long, global = true, env = "NAQ_PREFIX", default_value = "naq", hide_short_help = true)]
    prefix: String,
    /// Replicas of each stream, if none are written down yet; 3 on a cluster if not given
    #[arg(long, global = true, env = "NAQ_REPLICAS", value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5), hide_short_help = true)]
    replicas: Option<u8>,
    /// Where the broker stores the streams that this command creates
    #[arg(
        long,
        global = true,
        env = "NAQ_STORAGE",
        value_name = "STORAGE",
        default_value = "file",
        value_enum,
        ignore_case = true,
        hide_short_help = true
    )]
    storage: StorageArg,
    /// Jobs of one queue that may run at once across all workers, for queues that this command creates
    #[arg(
        long,
        global = true,
        env = "NAQ_CONCURRENCY_LIMIT",
        value_name = "N",
        hide_short_help = true
    )]
    concurrency_limit: Option<NonZeroU64>,
}

impl ConnectionArgs {
    /// What a context stores of these options. Paths are absolute, because the user may be elsewhere
    /// when the context is used.
    ///
    /// # Errors
    /// There is a secret among the options that a file could hold.
    pub(crate) fn settings(&self) -> Result<ConnectionSettings> {
        if given("NAQ_NATS_TOKEN").is_some() {
            return Err(CliError::usage("a context stores no secret, and NAQ_NATS_TOKEN is one")
                .next("write it to a file, and use --nats-token-file")
                .into());
        }
        let file = |path: &Option<PathBuf>| path.as_deref().map(std::path::absolute).transpose();
        Ok(ConnectionSettings {
            nats_url: without_secret(&self.url()?)?,
            nats_user: self.nats_user.clone(),
            nats_password_file: file(&self.nats_password_file)?,
            nats_token_file: file(&self.nats_token_file)?,
            nats_nkey: file(&self.nats_nkey)?,
            nats_jwt: file(&self.nats_jwt)?,
            nats_creds: file(&self.nats_creds)?,
            nats_tls: self.nats_tls,
            nats_tls_first: self.nats_tls_first,
            nats_ca: file(&self.nats_ca)?,
            nats_cert: file(&self.nats_cert)?,
            nats_key: file(&self.nats_key)?,
            nats_inbox_prefix: self.nats_inbox_prefix.clone(),
            prefix: self.prefix.clone(),
        })
    }

    /// Takes all settings of a context: a broker with the credentials of another one is no use.
    pub(crate) fn replace(&mut self, context: &ConnectionSettings) {
        let it = context.clone();
        self.is_given = true;
        self.is_of_context = true;
        self.nats_url = it.nats_url;
        self.nats_user = it.nats_user;
        self.nats_password_file = it.nats_password_file;
        self.nats_token_file = it.nats_token_file;
        self.nats_nkey = it.nats_nkey;
        self.nats_jwt = it.nats_jwt;
        self.nats_creds = it.nats_creds;
        self.nats_tls = it.nats_tls;
        self.nats_tls_first = it.nats_tls_first;
        self.nats_ca = it.nats_ca;
        self.nats_cert = it.nats_cert;
        self.nats_key = it.nats_key;
        self.nats_inbox_prefix = it.nats_inbox_prefix;
        self.prefix = it.prefix;
    }

    /// Whether the user gave credentials in any form.
    pub(crate) fn has_credentials(&self) -> bool {
        given("NAQ_NATS_PASSWORD").is_some()
            || given("NAQ_NATS_TOKEN").is_some()
            || self.nats_user.is_some()
            || self.nats_password_file.is_some()
            || self.nats_token_file.is_some()
            || self.nats_nkey.is_some()
            || self.nats_jwt.is_some()
            || self.nats_creds.is_some()
    }

    /// The settings, checked as far as possible without a connection.
    ///
    /// # Errors
    /// A [`CliError`] that names the argument.
    pub(crate) fn config(&self) -> Result<NatsConfig> {
        let mut config = NatsConfig::new(self.url()?).prefix(prefix(&self.prefix)?);
        config = config.auth(self.auth()?).tls(self.tls()?).name("naq-cli");
        config.replicas = self.replicas.map_or(0, usize::from);
        config.storage = match self.storage {
            StorageArg::File => Storage::File,
            StorageArg::Memory => Storage::Memory,
        };
        config.concurrency_limit = self.concurrency_limit;
        config.inbox_prefix = self.nats_inbox_prefix.clone();
        for file in self.open_files() {
            tracing::warn!(file = %file.display(), "every user of this machine can read this secret: chmod 600");
        }
        Ok(config)
    }

    /// The files with secrets that every user of this machine can read.
    pub(crate) fn open_files(&self) -> Vec<PathBuf> {
        let files = [
            &self.nats_password_file,
            &self.nats_token_file,
            &self.nats_nkey,
            &self.nats_creds,
            &self.nats_key,
        ];
        files.into_iter().flatten().filter(|file| is_open_to_all(file)).cloned().collect()
    }

    /// The URL as the user gave it. An error does not repeat it: it may contain a password.
    fn url(&self) -> Result<String, CliError> {
        let good = |url: &str| {
            let rest = match url.split_once("://") {
                None => url,
                Some(("nats" | "tls", rest)) => rest,
                Some(_) => return false,
            };
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            let port = host.rsplit_once(':').filter(|_| !host.ends_with(']'));
            !host.is_empty()
                && !host.starts_with(':')
                && port.is_none_or(|(_, port)| port.trim_end_matches('/').parse::<u16>().is_ok())
        };
        if self.nats_url.split(',').map(str::trim).all(good) {
            return Ok(self.nats_url.clone());
        }
        Err(CliError::usage("--nats-url (NAQ_NATS_URL) is not the URL of a NATS server")
            .next("write nats://HOST:PORT or tls://HOST:PORT; separate several with commas"))
    }

    fn auth(&self) -> Result<Auth> {
        // The variables may be of another broker than the context. It stores no password, so that of its
        // user may be in the variable.
        let needs_password = self.nats_user.is_some() && self.nats_password_file.is_none();
        let password_given =
            given("NAQ_NATS_PASSWORD").filter(|_| !self.is_of_context || needs_password);
        let token_given = given("NAQ_NATS_TOKEN").filter(|_| !self.is_of_context);
        let password =
            secret("NAQ_NATS_PASSWORD", password_given, self.nats_password_file.as_deref())?;
        let token = secret("NAQ_NATS_TOKEN", token_given, self.nats_token_file.as_deref())?;
        let user = self.nats_user.clone().filter(|user| !user.is_empty());
        let mut forms = Vec::new();
        match (user, password) {
            (Some(user), Some(password)) => forms.push(Auth::UserPassword { user, password }),
            (Some(_), None) => {
                return Err(CliError::usage("--nats-user is given without a password")
                    .next("set NAQ_NATS_PASSWORD, or use --nats-password-file")
                    .into());
            }
            (None, Some(_)) => {
                return Err(CliError::usage("a password is given without a user")
                    .next("use --nats-user or NAQ_NATS_USER")
                    .into());
            }
            (None, None) => {}
        }
        forms.extend(token.map(Auth::Token));
        match (existing("--nats-jwt", &self.nats_jwt)?, existing("--nats-nkey", &self.nats_nkey)?) {
            (Some(jwt), Some(seed)) => forms.push(Auth::JwtFiles { jwt, seed }),
            (None, Some(seed)) => forms.push(Auth::NkeyFile(seed)),
            (Some(_), None) => {
                return Err(CliError::usage("--nats-jwt is given without its seed")
                    .next("add --nats-nkey FILE, or use --nats-creds")
                    .into());
            }
            (None, None) => {}
        }
        forms.extend(existing("--nats-creds", &self.nats_creds)?.map(Auth::CredsFile));
        if forms.len() > 1 {
            return Err(CliError::usage("credentials are given in more than one form")
                .next("use only one of: user and password, token, nkey, JWT and nkey, creds")
                .into());
        }
        Ok(forms.pop().unwrap_or_default())
    }

    fn tls(&self) -> Result<Tls> {
        if self.nats_cert.is_some() != self.nats_key.is_some() {
            return Err(CliError::usage("--nats-cert and --nats-key need each other").into());
        }
        Ok(Tls {
            required: self.nats_tls || self.nats_tls_first,
            first: self.nats_tls_first,
            ca: existing("--nats-ca", &self.nats_ca)?,
            cert: existing("--nats-cert", &self.nats_cert)?,
            key: existing("--nats-key", &self.nats_key)?,
        })
    }
}

fn prefix(text: &str) -> Result<&str, CliError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=32).contains(&text.len()) && text.chars().all(fits) {
        return Ok(text);
    }
    let shown: String = text.chars().take(40).collect();
    Err(CliError::usage(format!(
        "invalid --prefix {shown:?}: use 1 to 32 lower-case letters, digits or `-`"
    )))
}

/// The value of a variable that is set and not empty.
fn given(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// A secret from its variable or from a file. Both together are an error.
fn secret(variable: &str, given: Option<String>, file: Option<&Path>) -> Result<Option<Secret>> {
    match (given, file) {
        (Some(_), Some(_)) => {
            Err(CliError::usage(format!("{variable} and {variable}_FILE are both given")).into())
        }
        (Some(value), None) => Ok(Some(Secret::new(value))),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(text) if !text.trim().is_empty() => Ok(Some(Secret::new(text.trim()))),
            Ok(_) => Err(CliError::usage(format!("{} is empty", path.display())).into()),
            Err(err) => {
                Err(CliError::usage(format!("cannot read {}: {err}", path.display())).into())
            }
        },
        (None, None) => Ok(None),
    }
}

fn existing(flag: &str, path: &Option<PathBuf>) -> Result<Option<PathBuf>, CliError> {
    match path {
        Some(path) if !path.is_file() => {
            Err(CliError::usage(format!("{flag}: no such file: {}", path.display())))
        }
        path => Ok(path.clone()),
    }
}

/// What a client needs: the broker's address and credentials, and its own keys.
#[derive(Debug, Clone)]
pub(crate) struct ClientConfig {
    pub(crate) nats: NatsConfig,
    pub(crate) keys: ClientKeys,
}

/// A client without keys.
impl From<NatsConfig> for ClientConfig {
    fn from(nats: NatsConfig) -> Self {
        Self { nats, keys: ClientKeys::default() }
    }
}

/// Connects to the broker.
///
/// # Errors
/// The broker cannot be reached or refuses the connection.
pub(crate) async fn connect(config: impl Into<ClientConfig>) -> Result<Client> {
    let ClientConfig { nats, keys } = config.into();
    let transport = NatsTransport::connect(nats).await?;
    Ok(keys.give_to(Client::new(Arc::new(transport))))
}
