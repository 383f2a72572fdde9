//! How the client protects what it stores: the keys that sign, that it trusts, and that encrypt, and whether it
//! compresses. Keys come from files or variables and are never printed.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use clap::builder::TypedValueParser;
use naq_client::Client;
use naq_core::compress::Compression;
use naq_core::seal::KeyRing;
use naq_core::sign::{SigningKey, TrustedKeys};

use crate::exit::CliError;

/// The variable with the keys that encrypt. There is no option for them, because other processes can
/// read a command line.
const RING: &str = "NAQ_ENCRYPTION_KEYS";

/// The options for keys.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Keys")]
pub(crate) struct KeyArgs {
    /// File with the key that signs the jobs and schedules that this command makes; `naq key new` makes
    /// one
    #[arg(long, global = true, env = "NAQ_SIGN_KEY", value_name = "FILE", hide_short_help = true)]
    sign_key: Option<PathBuf>,
    /// File with the public keys that are trusted, each on a line: NAME KEY [QUEUE,...]
    #[arg(
        long,
        global = true,
        env = "NAQ_TRUSTED_KEYS",
        value_name = "FILE",
        hide_short_help = true
    )]
    trusted_keys: Option<PathBuf>,
    /// File with the keys that encrypt and decrypt the arguments of jobs, each on a line: ID KEY. The
    /// first one encrypts [variable for the keys themselves: NAQ_ENCRYPTION_KEYS]
    #[arg(
        long,
        global = true,
        env = "NAQ_ENCRYPTION_KEYS_FILE",
        value_name = "FILE",
        hide_short_help = true
    )]
    encryption_keys: Option<PathBuf>,
    /// A worker also encrypts the messages of errors, of jobs whose arguments are encrypted. Logs and statistics then
    /// have only the id of the key
    #[arg(long, global = true, env = "NAQ_ENCRYPT_ERRORS", hide_short_help = true)]
    encrypt_errors: bool,
    /// Compresses large arguments, results and checkpoints that this command stores: none, or lz4. All commands
    /// read both
    #[arg(
        long,
        global = true,
        env = "NAQ_COMPRESS",
        value_name = "HOW",
        default_value = "none",
        value_parser = clap::builder::PossibleValuesParser::new(["none", "lz4"])
            .try_map(|text| text.parse::<Compression>()),
        hide_short_help = true
    )]
    compress: Compression,
}

/// The keys of a client.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientKeys {
    sign: Option<SigningKey>,
    trusted: TrustedKeys,
    ring: Option<KeyRing>,
    compression: Compression,
    encrypt_errors: bool,
}

impl KeyArgs {
    /// Reads the keys.
    ///
    /// # Errors
    /// A [`CliError`] that names the option and the file, and shows no key.
    pub(crate) fn load(&self) -> Result<ClientKeys> {
        let mut keys = ClientKeys::default();
        if let Some(path) = &self.sign_key {
            keys.sign = Some(read_signing_key("--sign-key", path)?);
        }
        if let Some(path) = &self.trusted_keys {
            let parsed = read("--trusted-keys", path)?.parse::<TrustedKeys>();
            keys.trusted = parsed.map_err(|err| wrong("--trusted-keys", path, &err))?;
        }
        keys.ring = self.ring()?;
        keys.compression = self.compress;
        keys.encrypt_errors = self.encrypt_errors;
        Ok(keys)
    }
}

impl KeyArgs {
    /// The keys that encrypt, from the variable or from the file.
    fn ring(&self) -> Result<Option<KeyRing>, CliError> {
        let variable = std::env::var(RING).ok().filter(|keys| !keys.is_empty());
        match (variable, &self.encryption_keys) {
            (Some(_), Some(_)) => {
                Err(CliError::usage(format!("{RING} and --encryption-keys are both given")))
            }
            (Some(keys), None) => {
                let ring = keys.parse().map_err(|err| CliError::usage(format!("{RING}: {err}")));
                ring.map(Some)
            }
            (None, Some(path)) => {
                let option = "--encryption-keys";
                let ring = read(option, path)?.parse::<KeyRing>();
                ring.map(Some).map_err(|err| wrong(option, path, &err))
            }
            (None, None) => Ok(None),
        }
    }
}

impl ClientKeys {
    /// The client, with these keys.
    pub(crate) fn give_to(self, client: Client) -> Client {
        let mut client = client.trusted_keys(self.trusted).compress(self.compression);
        client = client.encrypt_errors(self.encrypt_errors);
        if let Some(ring) = self.ring {
            client = client.encrypt_with(ring);
        }
        match self.sign {
            Some(key) => client.sign_with(key),
            None => client,
        }
    }

    /// Whether there are public keys that are trusted.
    pub(crate) fn trusts_any(&self) -> bool {
        !self.trusted.is_empty()
    }
}

/// The key in this file.
///
/// # Errors
/// A [`CliError`] that does not show what is in the file.
pub(crate) fn read_signing_key(option: &str, path: &Path) -> Result<SigningKey> {
    Ok(read(option, path)?.parse().map_err(|err| wrong(option, path, &err))?)
}

fn read(option: &str, path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|err| wrong(option, path, &err))
}

fn wrong(option: &str, path: &Path, why: &dyn std::fmt::Display) -> CliError {
    CliError::usage(format!("{option}: {}: {why}", path.display()))
}
