//! The dashboard's logins, from a file or a variable.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Result;

use crate::exit::CliError;

const VARIABLE: &str = "NAQ_DASHBOARD_AUTH";

type Login = (String, String);

/// The logins of the file, or the one of `NAQ_DASHBOARD_AUTH`; none without either.
pub(super) fn read(file: Option<&Path>) -> Result<Vec<Login>> {
    let given = std::env::var(VARIABLE).ok().filter(|value| !value.is_empty());
    match (given, file) {
        (Some(_), Some(_)) => {
            Err(CliError::usage(format!("{VARIABLE} and --auth-file are both given")).into())
        }
        (Some(value), None) => match login(&value) {
            Some(login) => Ok(vec![login]),
            None => {
                Err(CliError::usage(format!("{VARIABLE} is not of the form name:password")).into())
            }
        },
        (None, Some(path)) => of_file(path),
        (None, None) => Ok(Vec::new()),
    }
}

fn of_file(path: &Path) -> Result<Vec<Login>> {
    let shown = path.display();
    let unreadable = |err| CliError::usage(format!("cannot read --auth-file {shown}: {err}"));
    let mut file = File::open(path).map_err(unreadable)?;
    // Checks the open file. A check by name could see another file than the one that is read.
    if is_open_to_others(&file.metadata().map_err(unreadable)?) {
        return Err(CliError::usage(format!(
            "users other than its owner can read --auth-file {shown}"
        ))
        .next(format!("remove that permission: chmod 600 {shown}"))
        .into());
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let mut logins = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        // The error does not repeat the line, which may contain a password.
        logins.push(login(line).ok_or_else(|| {
            CliError::usage(format!("{shown}, line {number}, is not of the form name:password"))
        })?);
    }
    if logins.is_empty() {
        return Err(CliError::usage(format!("--auth-file {shown} contains no login"))
            .next("write one login per line, as name:password")
            .into());
    }
    Ok(logins)
}

fn login(text: &str) -> Option<Login> {
    let (name, password) = text.split_once(':')?;
    let whole = !name.is_empty() && !password.is_empty();
    whole.then(|| (name.to_owned(), password.to_owned()))
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
