//! [`KeyFile`]: the file with the keys of a gateway.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use naq_gateway::{ApiKey, ApiKeys};

use crate::exit::CliError;

/// The file with the keys, and what it contained at the last read.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    text: String,
    keys: ApiKeys,
    /// Whether the last read of it failed.
    unreadable: bool,
}

impl KeyFile {
    /// Reads the file.
    ///
    /// # Errors
    /// There is no file, or a line of it is not a key.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|err| {
            CliError::usage(format!("cannot read --keys {}: {err}", path.display()))
                .next("to make a key, and the file: naq gateway key add NAME --keys FILE")
        })?;
        Self::parse(path, text)
    }

    /// Reads the file; one that does not exist has no keys.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn read_or_new(path: &Path) -> Result<Self> {
        match path.try_exists() {
            Ok(false) => Self::parse(path, String::new()),
            _ => Self::read(path),
        }
    }

    fn parse(path: &Path, text: String) -> Result<Self> {
        let keys = text.parse::<ApiKeys>();
        let keys =
            keys.map_err(|err| CliError::usage(format!("--keys {}: {err}", path.display())))?;
        Ok(Self { path: path.to_owned(), text, keys, unreadable: false })
    }

    pub(super) fn keys(&self) -> &ApiKeys {
        &self.keys
    }

    /// The keys, if the file has changed since the last call. A file that cannot be read, or that has a
    /// mistake, changes nothing, and the log says so once.
    pub(super) fn changed(&mut self) -> Option<ApiKeys> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(err) => {
                if !std::mem::replace(&mut self.unreadable, true) {
                    tracing::warn!("cannot read the keys, and the old ones stay valid: {err}");
                }
                return None;
            }
        };
        self.unreadable = false;
        if text == self.text {
            return None;
        }
        self.text.clone_from(&text);
        match Self::parse(&self.path, text) {
            Ok(read) => {
                tracing::info!(keys = read.keys.iter().count(), "the keys have changed");
                self.keys = read.keys.clone();
                Some(read.keys)
            }
            Err(err) => {
                tracing::warn!("the old keys stay valid: {err}");
                None
            }
        }
    }

    /// Writes the file with one more key.
    ///
    /// # Errors
    /// A key with this name is there; the file cannot be written.
    pub(super) fn add(&self, key: &ApiKey) -> Result<()> {
        if self.keys.iter().any(|other| other.name == key.name) {
            return Err(CliError::usage(format!("the key {} is there already", key.name))
                .next("use another name, or remove that key first: naq gateway key remove")
                .into());
        }
        let line_break = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { "\n" };
        self.write(&format!("{}{line_break}{key}\n", self.text))
    }

    /// Writes the file without this key.
    ///
    /// # Errors
    /// There is no such key; the file cannot be written.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        if !self.keys.iter().any(|key| key.name == name) {
            return Err(CliError::not_found(format!("there is no key {name:?}"))
                .next("list the keys: naq gateway key list")
                .into());
        }
        let of_key = |line: &&str| line.split_whitespace().next() == Some(name);
        let rest = self.text.lines().filter(|line| !of_key(line));
        self.write(&rest.map(|line| format!("{line}\n")).collect::<String>())
    }

    /// Replaces the file as a whole, so that a gateway never reads half of it.
    fn write(&self, text: &str) -> Result<()> {
        let what = || format!("cannot write {}", self.path.display());
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file =
            tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).with_context(what)?;
        file.write_all(text.as_bytes()).with_context(what)?;
        file.as_file().sync_all().with_context(what)?;
        file.persist(&self.path).with_context(what)?;
        Ok(())
    }
}
