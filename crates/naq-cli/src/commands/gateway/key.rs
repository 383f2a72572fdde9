//! `naq gateway key`: the keys of callers. Needs no broker.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_gateway::{Allowed, ApiKey};
use serde::Serialize;

use super::key_file::KeyFile;
use crate::exit::CliError;
use crate::output::{Output, TableRow};

#[derive(Debug, Subcommand)]
pub(crate) enum GatewayKeyCommand {
    /// Make a key, print it, and add its hash to the file
    #[command(after_help = "\
Examples:
  naq gateway key add web --keys keys --queues mail,reports --tasks 'email.*' --rate 50
  naq gateway key add ops --keys keys --operate

The key itself is printed once and stored nowhere. Without --operate it may enqueue, read and cancel
jobs. A gateway that runs takes the new key within two seconds.")]
    Add(AddArgs),
    /// List the keys and what each may do
    #[command(visible_alias = "ls")]
    List(KeysArg),
    /// Remove a key; a gateway that runs refuses it within two seconds
    #[command(visible_alias = "rm")]
    Remove {
        /// The name of the key
        name: String,
        #[command(flatten)]
        file: KeysArg,
    },
}

#[derive(Debug, Args)]
pub(crate) struct KeysArg {
    /// The file with the keys
    #[arg(long, env = "NAQ_GATEWAY_KEYS", value_name = "FILE")]
    keys: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The name of the caller, for the log and the audit log
    name: String,
    #[command(flatten)]
    file: KeysArg,
    /// The queues that it may use: names with commas, `mail-*` for a beginning, `*` for all
    #[arg(long, value_name = "NAMES", default_value = "*")]
    queues: Allowed,
    /// The tasks that it may use, in the same form
    #[arg(long, value_name = "NAMES", default_value = "*")]
    tasks: Allowed,
    /// How many requests and jobs it may send in a second [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Also allow retry-now, dead letters and requeue, and the lists of queues, workers and schedules
    #[arg(long)]
    operate: bool,
}

/// What the commands print of a key.
#[derive(Debug, Serialize)]
struct KeyRow {
    name: String,
    /// Only of a new key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    queues: String,
    tasks: String,
    rate: Option<u32>,
    may: &'static str,
}

impl KeyRow {
    fn new(key: &ApiKey, secret: Option<String>) -> Self {
        Self {
            name: key.name.clone(),
            key: secret,
            queues: key.queues.to_string(),
            tasks: key.tasks.to_string(),
            rate: key.rate,
            may: if key.may_operate { "operate" } else { "enqueue" },
        }
    }
}

impl TableRow for KeyRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "MAY", "~QUEUES", "~TASKS", ">RATE"];
    const LEFT_OUT: &'static [&'static str] = &["RATE", "TASKS"];
    const NONE: &'static str = "no keys; to make one: naq gateway key add NAME";

    fn cells(&self) -> Vec<String> {
        let rate = self.rate.map_or("none".to_owned(), |rate| format!("{rate}/s"));
        vec![self.name.clone(), self.may.to_owned(), self.queues.clone(), self.tasks.clone(), rate]
    }
}

impl GatewayKeyCommand {
    pub(super) fn run(&self, out: Output) -> Result<()> {
        match self {
            Self::Add(args) => args.add(out),
            Self::List(KeysArg { keys }) => {
                let file = KeyFile::read(keys)?;
                let rows: Vec<_> = file.keys().iter().map(|key| KeyRow::new(key, None)).collect();
                out.list(&rows)
            }
            Self::Remove { name, file } => {
                KeyFile::read(&file.keys)?.remove(name)?;
                out.note(format_args!("the key {name} is removed"))
            }
        }
    }
}

impl AddArgs {
    fn add(&self, out: Output) -> Result<()> {
        let file = KeyFile::read_or_new(&self.file.keys)?;
        let (mut key, secret) = ApiKey::generate(&self.name).map_err(CliError::usage)?;
        key.queues = self.queues.clone();
        key.tasks = self.tasks.clone();
        key.rate = self.rate;
        key.may_operate = self.operate;
        file.add(&key)?;
        let row = KeyRow::new(&key, Some(secret.clone()));
        out.one(&row, || secret.clone())
    }
}
