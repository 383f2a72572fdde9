//! `naq dashboard user`: the logins of a file. Needs no broker.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use naq_core::QueueName;
use naq_dashboard::{Role, User};
use serde::Serialize;

use super::logins::LoginFile;
use crate::exit::CliError;
use crate::output::{Output, TableRow};

/// The commands of `naq dashboard user`.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user; the password comes from the terminal, or from the first line of stdin
    Add(AddArgs),
    /// Remove a user
    Remove(RemoveArgs),
    /// List the users, with their roles and queues
    #[command(visible_alias = "ls")]
    List(FileArgs),
    /// Hash the passwords that are in plain text
    Hash(FileArgs),
}

#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The file with the logins; only its owner may read it
    #[arg(long, env = "NAQ_DASHBOARD_AUTH_FILE", value_name = "FILE")]
    auth_file: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq dashboard user add ann --role admin --auth-file logins
  naq dashboard user add bob --role operate --queue mail --queue sms --auth-file logins
  pwgen 20 1 | naq dashboard user add prometheus --auth-file logins
  naq dashboard user add eve --role operate --proxy-only --auth-file logins

A role is for the queues that --queue names, or for all of them. All users see all queues. A running
dashboard reads the file at its start only: start it again.")]
pub(crate) struct AddArgs {
    /// The user's name
    name: String,
    /// What the user may do: view; operate, which also pauses, retries, requeues, cancels and drains; admin,
    /// which also purges
    #[arg(long, default_value = "view")]
    role: Role,
    /// A queue that the user may operate; may be repeated [default: all queues]
    #[arg(long = "queue", value_name = "QUEUE")]
    queues: Vec<QueueName>,
    /// Without a password: the user comes through the proxy of --sso-secret-file
    #[arg(long)]
    proxy_only: bool,
    #[command(flatten)]
    file: FileArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The user's name
    name: String,
    #[command(flatten)]
    file: FileArgs,
}

impl UserCommand {
    pub(crate) fn run(&self, out: Output) -> Result<()> {
        match self {
            Self::Add(args) => args.run(out),
            Self::Remove(args) => {
                let path = &args.file.auth_file;
                let mut file = LoginFile::read(path)?;
                if !file.remove(&args.name) {
                    let what = format!("{} has no user {:?}", path.display(), args.name);
                    return Err(CliError::not_found(what)
                        .next("list the users: naq dashboard user list")
                        .into());
                }
                file.write(path)?;
                out.note(format!("removed {}; start the dashboard again", args.name))
            }
            Self::List(args) => {
                let file = LoginFile::read(&args.auth_file)?;
                out.list(&file.users().map(UserRow::from).collect::<Vec<_>>())
            }
            Self::Hash(args) => {
                let mut file = LoginFile::read(&args.auth_file)?;
                let hashed = file.hash()?;
                file.write(&args.auth_file)?;
                out.note(format!("{hashed} passwords hashed"))
            }
        }
    }
}

impl AddArgs {
    fn run(&self, out: Output) -> Result<()> {
        let path = &self.file.auth_file;
        let mut file = LoginFile::read_or_new(path)?;
        let user = match self.proxy_only {
            true => User::without_password(&self.name, self.role),
            false => User::new(&self.name, &password(out)?, self.role),
        };
        let user = user.map_err(|err| CliError::usage(err.to_string()))?;
        let user = match self.queues.is_empty() {
            true => user,
            false => user.queues(self.queues.iter().cloned()),
        };
        if !file.add(user) {
            let what = format!("{} has a user {:?} already", path.display(), self.name);
            let name = &self.name;
            return Err(CliError::usage(what)
                .next(format!("remove the user first: naq dashboard user remove {name}"))
                .into());
        }
        file.write(path)?;
        out.note(format!("added {}; start the dashboard again", self.name))
    }
}

/// The password from stdin. A terminal does not show it.
fn password(out: Output) -> Result<String> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let mut line = String::new();
        stdin.lock().read_line(&mut line).context("cannot read the password")?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    super::password_prompt::read(out)
}

/// One line of `naq dashboard user list`.
#[derive(Debug, Serialize)]
struct UserRow {
    name: String,
    role: &'static str,
    /// All queues without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    queues: Option<Vec<QueueName>>,
    password: &'static str,
}

impl From<&User> for UserRow {
    fn from(user: &User) -> Self {
        Self {
            name: user.name().to_owned(),
            role: user.role().as_str(),
            queues: user.only_queues().map(|queues| queues.iter().cloned().collect()),
            password: match () {
                () if user.is_plain() => "plain",
                () if user.has_no_password() => "none",
                () => "hashed",
            },
        }
    }
}

impl TableRow for UserRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "ROLE", "QUEUES", "PASSWORD"];
    const LEFT_OUT: &'static [&'static str] = &[];
    const NONE: &'static str = "no users; to add one: naq dashboard user add NAME";

    fn cells(&self) -> Vec<String> {
        let queues = self
            .queues
            .as_ref()
            .map(|queues| queues.iter().map(QueueName::as_str).collect::<Vec<_>>().join(", "));
        vec![
            self.name.clone(),
            self.role.to_owned(),
            queues.unwrap_or_else(|| "all".to_owned()),
            self.password.to_owned(),
        ]
    }
}
