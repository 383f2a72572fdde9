//! Everything that docker/ and deploy/ name exists: metrics, files, images, ports, options of `naq`.
#![cfg(feature = "jobs")]

mod compose;
mod dockerfile;
mod kubernetes;
mod references;
mod watching;

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The file at this path in the repository.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|err| panic!("{path}: {err}"))
}

/// The help of a command of `naq`, which naq-cli compares with the program's.
fn help(command: &str) -> String {
    read(&format!("crates/naq-cli/tests/cli/snapshots/cli__help__help-{command}.snap"))
}

/// Does this help name the option or the variable?
fn has_word(help: &str, name: &str) -> bool {
    let words = help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    words.into_iter().any(|word| word == name)
}

/// Is this port the default of the variable, according to this help?
fn has_default(help: &str, variable: &str, port: u16) -> bool {
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    help.contains(&format!("[env: {variable}] [default: {port}]"))
}

/// Does this tag name one version, as `2.15.1-alpine` and `v3.5.0` do?
fn is_version(tag: &str) -> bool {
    let version = tag.strip_prefix('v').unwrap_or(tag);
    let version = version.split('-').next().unwrap_or_default();
    let numbers: Vec<_> = version.split('.').collect();
    numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
}
