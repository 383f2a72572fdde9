//! `naq key`: makes keys and shows their public parts. Needs no broker.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use naq_core::seal::KeyRing;
use naq_core::sign::SigningKey;
use serde::Serialize;

use crate::exit::CliError;
use crate::keys::read_signing_key;
use crate::output::{Details, Output};

/// The commands of `naq key`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a new key that signs jobs
    New(NewArgs),
    /// Print the public key of a key file
    Public(PublicArgs),
    /// Make a new key that encrypts the arguments of jobs
    NewEncryption(NewEncryptionArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq key new --out web.key        prints the public key; the secret is in the file
  echo \"web $(naq key public web.key)\" >> trusted-keys
  naq enqueue email.send --sign-key web.key
  naq worker billing --require-signed billing --trusted-keys trusted-keys

It is an nkey of a user, as `nk -gen user` makes it. Do not take a key with which
a program logs in to NATS: give each producer a key for its jobs alone.")]
pub(crate) struct NewArgs {
    /// Write the secret to this new file, which only its owner can read, and print only the public key
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PublicArgs {
    /// The file with the secret
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq key new-encryption k1 --out ring.keys
  naq enqueue email.send --args '{\"to\":\"ann@example.com\"}' --encryption-keys ring.keys
  naq worker --encryption-keys ring.keys
  naq key new-encryption k2 >> ring.keys     k2 decrypts, k1 still encrypts")]
pub(crate) struct NewEncryptionArgs {
    /// The id of the key: 1 to 32 letters, digits, `_` or `-`
    #[arg(value_name = "ID")]
    id: String,
    /// Write the line to this new file, which only its owner can read, instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What the commands print.
#[derive(Debug, Serialize)]
struct KeyView {
    public: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<String>,
}

impl KeyCommand {
    pub(crate) fn run(&self, out: Output) -> Result<()> {
        match self {
            Self::New(args) => {
                let key = SigningKey::generate();
                let public = key.public().to_owned();
                match &args.out {
                    Some(path) => {
                        write_secret(path, &key.seed())?;
                        print_public(public, out)
                    }
                    None => {
                        let view = KeyView { public, seed: Some(key.seed()) };
                        out.one(&view, || {
                            let details = Details::default().with("public", &view.public);
                            details.maybe("seed", view.seed.as_ref()).render()
                        })
                    }
                }
            }
            Self::NewEncryption(args) => {
                let line = format!("{} {}", args.id, KeyRing::generate_key());
                line.parse::<KeyRing>().map_err(|err| CliError::usage(err.to_string()))?;
                match &args.out {
                    Some(path) => write_secret(path, &line),
                    None => out.raw(&line),
                }
            }
            Self::Public(args) => {
                let key = read_signing_key("FILE", &args.file)?;
                print_public(key.public().to_owned(), out)
            }
        }
    }
}

fn print_public(public: String, out: Output) -> Result<()> {
    let view = KeyView { public, seed: None };
    out.one(&view, || view.public.clone())
}

/// Writes a secret to a new file that only its owner can read.
fn write_secret(path: &Path, secret: &str) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let what = || format!("cannot write the key to the new file {}", path.display());
    let mut file = options.open(path).with_context(what)?;
    writeln!(file, "{secret}").with_context(what)
}
