//! The appearance of the page: size, colour scheme, screenshots.

use std::path::Path;

use anyhow::{Context, Result};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::json;

use super::Browser;

/// The colour scheme that the user's system prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark text on a light background.
    Light,
    /// Light text on a dark background.
    Dark,
}

impl Browser {
    /// Sets the size of the page in pixels. It may be smaller than the smallest window.
    ///
    /// # Errors
    ///
    /// The browser has ended.
    pub async fn window(&self, width: u32, height: u32) -> Result<()> {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await.map(drop)
    }

    /// Sets `prefers-color-scheme`. Always asks for reduced motion too, so that a screenshot does
    /// not depend on the time.
    ///
    /// # Errors
    ///
    /// The browser has ended.
    pub async fn theme(&self, theme: Theme) -> Result<()> {
        let scheme = match theme {
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.devtools("Emulation.setEmulatedMedia", media).await.map(drop)
    }

    /// Writes a PNG of the whole page, including the parts outside the window.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub async fn screenshot(&self, path: &Path) -> Result<()> {
        let metrics = self.devtools("Page.getLayoutMetrics", json!({})).await?;
        let size = &metrics["cssContentSize"];
        let width = &size["width"];
        let height = &size["height"];
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let full_page = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = self.devtools("Page.captureScreenshot", full_page).await?;
        let data = picture["data"].as_str().context("the screenshot has no data")?;
        let png = BASE64_STANDARD.decode(data).context("the screenshot is not base64")?;
        std::fs::write(path, png).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Lets pages of `origin` read and write the clipboard, as a click on "allow" does.
    ///
    /// # Errors
    ///
    /// The browser has ended.
    pub async fn allow_clipboard(&self, origin: &str) -> Result<()> {
        let allowed = json!({
            "origin": origin, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"],
        });
        self.devtools("Browser.grantPermissions", allowed).await.map(drop)
    }

    /// The text on the clipboard.
    ///
    /// # Errors
    ///
    /// The page may not read the clipboard: see [`allow_clipboard`](Self::allow_clipboard).
    pub async fn clipboard(&self) -> Result<String> {
        let text = self.run_async("return await navigator.clipboard.readText()", json!([])).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }
}
