//! The dashboard's logins, from a file or a variable.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use naq_dashboard::{User, UserError};

use crate::exit::CliError;

const VARIABLE: &str = "NAQ_DASHBOARD_AUTH";

/// The lines of a file of logins.
#[derive(Debug, Default)]
pub(super) struct LoginFile {
    lines: Vec<LoginLine>,
}

#[derive(Debug)]
enum LoginLine {
    User(User),
    /// A comment or an empty line.
    Other(String),
}

/// The logins of the file, or the one of `NAQ_DASHBOARD_AUTH`; none without either.
pub(super) fn read(file: Option<&Path>) -> Result<Vec<User>> {
    let given = std::env::var(VARIABLE).ok().filter(|value| !value.is_empty());
    match (given, file) {
        (Some(_), Some(_)) => {
            Err(CliError::usage(format!("{VARIABLE} and --auth-file are both given")).into())
        }
        (Some(value), None) => match value.parse() {
            Ok(user) => Ok(vec![user]),
            Err(UserError::Form) => {
                Err(CliError::usage(format!("{VARIABLE} is not of the form name:password")).into())
            }
            Err(err) => Err(CliError::usage(format!("{VARIABLE} is invalid: {err}")).into()),
        },
        (None, Some(path)) => of_file(path),
        (None, None) => Ok(Vec::new()),
    }
}

fn of_file(path: &Path) -> Result<Vec<User>> {
    let file = path.display();
    let users: Vec<User> = LoginFile::read(path)?.users().cloned().collect();
    if users.is_empty() {
        return Err(CliError::usage(format!("--auth-file {file} contains no login"))
            .next(format!("add one: naq dashboard user add NAME --auth-file {file}"))
            .into());
    }
    let plain = users.iter().filter(|user| user.is_plain()).count();
    if plain > 0 {
        tracing::warn!(
            "{plain} passwords in {file} are in plain text; to hash them: naq dashboard user hash \
             --auth-file {file}"
        );
    }
    Ok(users)
}

impl LoginFile {
    /// Reads a file that only its owner may read.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = read_private("--auth-file", path)?;
        let line = |(at, line): (usize, &str)| match line.trim() {
            text if text.is_empty() || text.starts_with('#') => {
                Ok(LoginLine::Other(line.to_owned()))
            }
            // The error does not repeat the line, which may contain a password.
            text => text.parse().map(LoginLine::User).map_err(|err: UserError| {
                let what = match err {
                    UserError::Form => "is not of the form name:hash:role:queues".to_owned(),
                    err => format!("is invalid: {err}"),
                };
                CliError::usage(format!("{}, line {}, {what}", path.display(), at + 1)).into()
            }),
        };
        Ok(Self { lines: text.lines().enumerate().map(line).collect::<Result<_>>()? })
    }

    /// The file, or an empty one if there is none yet.
    pub(super) fn read_or_new(path: &Path) -> Result<Self> {
        if path.exists() { Self::read(path) } else { Ok(Self::default()) }
    }

    pub(super) fn users(&self) -> impl Iterator<Item = &User> {
        self.lines.iter().filter_map(|line| match line {
            LoginLine::User(user) => Some(user),
            LoginLine::Other(_) => None,
        })
    }

    /// Adds the user. False if there is one with that name, which stays as it is.
    pub(super) fn add(&mut self, user: User) -> bool {
        let is_new = self.users().all(|other| other.name() != user.name());
        if is_new {
            self.lines.push(LoginLine::User(user));
        }
        is_new
    }

    /// Removes the user. False if there is none with that name.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let before = self.lines.len();
        self.lines.retain(|line| !matches!(line, LoginLine::User(user) if user.name() == name));
        self.lines.len() < before
    }

    /// Hashes the passwords that are in plain text, and returns how many those were.
    pub(super) fn hash(&mut self) -> Result<usize> {
        let mut hashed = 0;
        for line in &mut self.lines {
            if let LoginLine::User(user) = line
                && user.is_plain()
            {
                *user = user.hashed()?;
                hashed += 1;
            }
        }
        Ok(hashed)
    }

    /// Replaces the file by one that only its owner can read. A crash leaves the old file or the new one.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let what = || format!("cannot write {}", path.display());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        // A temporary file is readable by its owner only.
        let mut file =
            tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).with_context(what)?;
        for line in &self.lines {
            match line {
                LoginLine::User(user) => writeln!(file, "{user}"),
                LoginLine::Other(text) => writeln!(file, "{text}"),
            }
            .with_context(what)?;
        }
        file.as_file().sync_all().with_context(what)?;
        file.persist(path).with_context(what)?;
        Ok(())
    }
}

/// The text of a file with secrets, which only its owner may read.
pub(super) fn read_private(option: &str, path: &Path) -> Result<String> {
    let file = path.display();
    let unreadable = |err| CliError::usage(format!("cannot read {option} {file}: {err}"));
    let mut opened = File::open(path).map_err(unreadable)?;
    // Checks the open file. A check by name could see another file than the one that is read.
    if is_open_to_others(&opened.metadata().map_err(unreadable)?) {
        return Err(CliError::usage(format!(
            "users other than its owner can read {option} {file}"
        ))
        .next(format!("remove that permission: chmod 600 {file}"))
        .into());
    }
    let mut text = String::new();
    opened.read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

#[cfg(unix)]
fn is_open_to_others(file: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &std::fs::Metadata) -> bool {
    false
}
