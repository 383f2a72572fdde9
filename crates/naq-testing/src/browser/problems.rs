//! Errors and warnings of the browser's console.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Browser;

impl Browser {
    /// Errors and warnings in the console since the last call: uncaught exceptions, violations of
    /// the content security policy, responses with 4xx and 5xx. A correct page has none.
    ///
    /// # Errors
    ///
    /// The browser has ended.
    pub async fn problems(&self) -> Result<Vec<String>> {
        let entries = self.post("se/log", json!({ "type": "browser" })).await?;
        let entries = entries.as_array().context("the driver returned no list")?;
        let bad = |entry: &&Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        let line = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        Ok(entries.iter().filter(bad).map(line).collect())
    }
}
