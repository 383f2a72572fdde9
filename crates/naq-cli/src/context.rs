//! Contexts: brokers with names, in a file that only its user can read.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use naq_core::JobId;
use serde::{Deserialize, Serialize};

use crate::connection::ConnectionArgs;
use crate::connection_settings::{ConnectionSettings, LabelColor};
use crate::exit::CliError;

/// The context that this process uses.
#[derive(Debug)]
pub(crate) struct ContextInUse {
    pub(crate) name: String,
    pub(crate) color: LabelColor,
}

/// Set once, before the command runs.
static IN_USE: OnceLock<ContextInUse> = OnceLock::new();

/// The context that this process uses, if it uses one: for questions and the label of the dashboard.
pub(crate) fn in_use() -> Option<&'static ContextInUse> {
    IN_USE.get()
}

/// The file of the contexts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ContextFile {
    /// The context of commands that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, StoredContext>,
}

/// One context.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredContext {
    #[serde(default)]
    pub(crate) color: LabelColor,
    #[serde(flatten)]
    pub(crate) settings: ConnectionSettings,
}

/// Where the file is: in NAQ_CONFIG_DIR, or in the directory `naq` of the user's configuration. None for a
/// user without a home directory.
fn path() -> Option<PathBuf> {
    let dir = |name| std::env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let base = dir("NAQ_CONFIG_DIR")
        .or_else(|| dir("XDG_CONFIG_HOME").map(|dir| dir.join("naq")))
        .or_else(|| dir("HOME").map(|home| home.join(".config").join("naq")))
        .or_else(|| dir("APPDATA").map(|dir| dir.join("naq")));
    Some(base?.join("contexts.json"))
}

impl ContextFile {
    /// The stored contexts. None of them if there is no file.
    pub(crate) fn load() -> Result<Self> {
        let Some(path) = path() else { return Ok(Self::default()) };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(err) => {
                let what = format!("cannot read the contexts in {}: {err}", path.display());
                return Err(CliError::usage(what)
                    .next("name the broker with --nats-url, or set NAQ_CONFIG_DIR")
                    .into());
            }
        };
        serde_json::from_str(&text).map_err(|err| {
            CliError::usage(format!("{} is not a file of contexts: {err}", path.display()))
                .next("correct it, or remove it and add the contexts again")
                .into()
        })
    }

    /// Stores the contexts, readable by this user only. The old file stays if that fails.
    pub(crate) fn store(&self) -> Result<()> {
        let path = path().ok_or_else(|| {
            CliError::usage("there is no directory for contexts: HOME is not set")
                .next("set NAQ_CONFIG_DIR")
        })?;
        let dir = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let new = dir.join(format!("contexts-{}.new", JobId::random()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let write = || {
            let mut file = options.open(&new)?;
            file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        let written: std::io::Result<()> = write();
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// The context of this name.
    ///
    /// # Errors
    /// A [`CliError`] that names the known contexts.
    pub(crate) fn get(&self, name: &str) -> Result<&StoredContext, CliError> {
        self.contexts.get(name).ok_or_else(|| {
            let known: Vec<_> = self.contexts.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            CliError::not_found(format!("no context {name}; known: {known}"))
                .next(format!("add it: naq context add {name} --nats-url URL"))
        })
    }
}

/// Puts the settings of a context into the arguments: of the one that the user names, or of the current
/// one if the user named no broker.
pub(crate) fn apply(named: Option<&str>, connection: &mut ConnectionArgs) -> Result<()> {
    if named.is_none() && (connection.is_given || connection.has_credentials()) {
        return Ok(());
    }
    let file = ContextFile::load()?;
    let Some(name) = named.or(file.current.as_deref()) else { return Ok(()) };
    let StoredContext { color, settings } = file.get(name)?;
    connection.replace(settings);
    let _ = IN_USE.set(ContextInUse { name: name.to_owned(), color: *color });
    Ok(())
}
