//! How the page is looked at: size, theme, pictures of it.

use std::path::Path;

use anyhow::{Context, Result};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::json;

use super::Browser;

/// The colour scheme that the system of the page's reader prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Browser {
    /// Makes the page `width` by `height` pixels: also less than a window may be wide.
    ///
    /// # Errors
    ///
    /// The browser is gone.
    pub async fn window(&self, width: u32, height: u32) -> Result<()> {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await.map(drop)
    }

    /// Sets what `prefers-color-scheme` says. Movement is asked for as little as can be in any case,
    /// so that no picture depends on when it is taken.
    ///
    /// # Errors
    ///
    /// The browser is gone.
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

    /// Writes a PNG of the whole page, also of what one would have to scroll to.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub async fn screenshot(&self, path: &Path) -> Result<()> {
        let metrics = self.devtools("Page.getLayoutMetrics", json!({})).await?;
        let size = &metrics["cssContentSize"];
        let (width, height) = (&size["width"], &size["height"]);
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let whole = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = self.devtools("Page.captureScreenshot", whole).await?;
        let data = picture["data"].as_str().context("a picture without data")?;
        let png = BASE64_STANDARD.decode(data).context("a picture that is not base64")?;
        std::fs::write(path, png).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Lets pages of `origin` write to the clipboard and read it, as one click on "allow" would.
    ///
    /// # Errors
    ///
    /// The browser is gone.
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
    /// The page may not read it: see [`allow_clipboard`](Self::allow_clipboard).
    pub async fn clipboard(&self) -> Result<String> {
        let text = self.run_async("return await navigator.clipboard.readText()", json!([])).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }
}
