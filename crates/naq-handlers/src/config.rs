//! `naq.toml`: which handler runs which task.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::protocol::Classes;

/// The file, as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HandlersFile {
    /// Services that list their tasks themselves.
    #[serde(default)]
    pub(crate) http: Vec<String>,
    /// Commands that list their tasks themselves.
    #[serde(default)]
    pub(crate) exec_pool: Vec<String>,
    /// A file with the keys that sign requests.
    pub(crate) keys_file: Option<PathBuf>,
    /// The certificates that are trusted behind https.
    pub(crate) ca_file: Option<PathBuf>,
    /// Handlers by task.
    #[serde(default)]
    pub(crate) tasks: BTreeMap<String, TaskConfig>,
}

/// One task: exactly one of `exec`, `exec_pool` and `http`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskConfig {
    pub(crate) exec: Option<Words>,
    pub(crate) exec_pool: Option<Words>,
    pub(crate) http: Option<String>,
    #[serde(default, deserialize_with = "duration")]
    pub(crate) timeout: Option<Duration>,
    /// What follows an exit code.
    #[serde(default)]
    pub(crate) exit_codes: Classes,
    /// What follows an HTTP status.
    #[serde(default)]
    pub(crate) statuses: Classes,
    /// Variables for the command.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Variables of the worker that the command may see.
    #[serde(default)]
    pub(crate) pass_env: Vec<String>,
    /// Where the command runs.
    pub(crate) dir: Option<PathBuf>,
}

/// A command: one text, or its words.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Words {
    Text(String),
    List(Vec<String>),
}

fn duration<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(d)?;
    let duration = humantime::parse_duration(&text);
    duration.map(Some).map_err(|err| de::Error::custom(format!("{text:?}: {err}, such as 30s")))
}

impl HandlersFile {
    pub(crate) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_file_says_where() {
        for (text, error) in [
            ("[tasks.a]\nexecute = \"x\"", "unknown field `execute`"),
            ("[tasks.a]\nexec = \"x\"\ntimeout = \"soon\"", "such as 30s"),
            ("[tasks.a]\nexec = \"x\"\nexit_codes = { 3 = \"later\" }", "use policy, never"),
            ("[tasks.a]\nexec = \"x\"\nexit_codes = { x = \"never\" }", "is no code"),
            ("queues = 7", "unknown field `queues`"),
        ] {
            let err = HandlersFile::parse(text).expect_err(text).to_string();
            assert!(err.contains(error), "{err}");
            assert!(err.contains("line "), "{err}");
        }
    }
}
