//! What the browser has against the page.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Browser;

impl Browser {
    /// Errors and warnings of the console since the last call: uncaught exceptions, what a content
    /// security policy has blocked, answers of 4xx and 5xx. A page without fault has none.
    ///
    /// # Errors
    ///
    /// The browser is gone.
    pub async fn problems(&self) -> Result<Vec<String>> {
        let entries = self.post("se/log", json!({ "type": "browser" })).await?;
        let entries = entries.as_array().context("no list of console messages")?;
        let bad = |entry: &&Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        let line = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        Ok(entries.iter().filter(bad).map(line).collect())
    }
}
