//! Reads elements of the page, clicks them and types into them.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Browser;

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The key of an element reference in WebDriver's JSON.
const REFERENCE: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The first visible button, link or similar below `arguments[0]` with the name `arguments[1]`.
const BY_NAME: &str = "
    const all = [...document.querySelectorAll(arguments[0])].flatMap(scope => [...scope.querySelectorAll(
        'button, a, summary, label, [role=button], [role=tab], input[type=submit]')]);
    const hasName = e => [e.innerText, e.value, e.getAttribute('aria-label')]
        .some(name => typeof name === 'string' && name.trim() === arguments[1]);
    return all.find(e => e.checkVisibility() && !e.disabled && hasName(e)) ?? null;";

impl Browser {
    /// Waits until an element matches.
    ///
    /// # Errors
    ///
    /// No element matches in time. The same holds for all methods that take a selector.
    pub async fn wait_for(&self, selector: &str) -> Result<()> {
        self.with_time_limit(selector, async || self.find(selector).await.map(drop)).await
    }

    /// Waits until no element matches.
    ///
    /// # Errors
    ///
    /// An element still matches.
    pub async fn wait_gone(&self, selector: &str) -> Result<()> {
        let gone = async || {
            ensure!(self.count(selector).await? == 0, "the element still exists");
            Ok(())
        };
        self.with_time_limit(selector, gone).await
    }

    /// Waits until the visible text of the first matching element contains `text`.
    ///
    /// # Errors
    ///
    /// The text is not there in time. The error shows the text of the element.
    pub async fn wait_for_text(&self, selector: &str, text: &str) -> Result<()> {
        let found = async || {
            let now = self.text_now(selector).await?;
            ensure!(now.contains(text), "its text is {now:?}, not {text:?}");
            Ok(())
        };
        self.with_time_limit(selector, found).await
    }

    /// Waits until the URL of the tab contains `part`.
    ///
    /// # Errors
    ///
    /// The URL does not contain `part` in time.
    pub async fn wait_for_url(&self, part: &str) -> Result<()> {
        let found = async || {
            let now = self.url().await?;
            ensure!(now.contains(part), "the URL is {now}");
            Ok(())
        };
        self.with_time_limit(part, found).await
    }

    /// Clicks an element with the mouse, as soon as nothing covers it.
    ///
    /// # Errors
    ///
    /// It does not exist, or another element covers it.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let click = async || self.click_now(&self.find(selector).await?).await;
        self.with_time_limit(selector, click).await
    }

    /// Clicks the button, link or label below `scope` whose text or `aria-label` is `name`.
    ///
    /// # Errors
    ///
    /// No such element is visible.
    pub async fn press(&self, scope: &str, name: &str) -> Result<()> {
        let click = async || {
            let found = self.run(BY_NAME, json!([scope, name])).await?;
            let id = found[REFERENCE].as_str().with_context(|| format!("no {name:?} in it"))?;
            self.click_now(id).await
        };
        self.with_time_limit(scope, click).await
    }

    /// Clears a field and types `text` into it.
    ///
    /// # Errors
    ///
    /// It does not exist, or is not a text field.
    pub async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        let fill = async || {
            let id = self.find(selector).await?;
            self.post(&format!("element/{id}/clear"), json!({})).await?;
            self.post(&format!("element/{id}/value"), json!({ "text": text })).await.map(drop)
        };
        self.with_time_limit(selector, fill).await
    }

    /// Selects the option with this value in a `select`.
    ///
    /// # Errors
    ///
    /// There is no such option.
    pub async fn choose(&self, selector: &str, value: &str) -> Result<()> {
        self.click(&format!("{selector} option[value={value:?}]")).await
    }

    /// Presses keys one after the other in the focused element. WebDriver has special characters
    /// for keys such as these: `\u{e00c}` is Escape, `\u{e007}` is Enter.
    ///
    /// # Errors
    ///
    /// The browser has ended.
    pub async fn keys(&self, keys: &str) -> Result<()> {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("actions", json!({ "actions": [keyboard] })).await.map(drop)
    }

    /// The visible text of the first matching element.
    ///
    /// # Errors
    ///
    /// It does not exist.
    pub async fn text(&self, selector: &str) -> Result<String> {
        self.with_time_limit(selector, async || self.text_now(selector).await).await
    }

    /// The visible texts of all matching elements, at once and without waiting. The list may be
    /// empty.
    ///
    /// # Errors
    ///
    /// The selector is not valid.
    pub async fn texts(&self, selector: &str) -> Result<Vec<String>> {
        let all =
            "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText.trim())";
        let texts = self.run(all, json!([selector])).await?;
        let texts = texts.as_array().context("the script returned no list")?.iter();
        Ok(texts.map(|text| text.as_str().unwrap_or_default().to_owned()).collect())
    }

    /// An attribute of the first matching element; `None` if it has no such attribute.
    ///
    /// # Errors
    ///
    /// The element does not exist.
    pub async fn attribute(&self, selector: &str, name: &str) -> Result<Option<String>> {
        let read = async || {
            let id = self.find(selector).await?;
            let value = self.get(&format!("element/{id}/attribute/{name}")).await?;
            Ok(value.as_str().map(str::to_owned))
        };
        self.with_time_limit(selector, read).await
    }

    /// The number of matching elements, at once and without waiting.
    ///
    /// # Errors
    ///
    /// The selector is not valid.
    pub async fn count(&self, selector: &str) -> Result<u64> {
        let count = "return document.querySelectorAll(arguments[0]).length";
        self.run(count, json!([selector])).await?.as_u64().context("the script returned no number")
    }

    /// How many pixels the page is wider than the window: 0 if it fits.
    ///
    /// # Errors
    ///
    /// The browser has ended.
    pub async fn overflow(&self) -> Result<i64> {
        let over = "return document.documentElement.scrollWidth - window.innerWidth";
        Ok(self
            .run(over, json!([]))
            .await?
            .as_i64()
            .context("the script returned no number")?
            .max(0))
    }

    async fn find(&self, selector: &str) -> Result<String> {
        let by = json!({ "using": "css selector", "value": selector });
        let found = self.post("element", by).await?;
        Ok(found[REFERENCE].as_str().context("the element has no reference")?.to_owned())
    }

    async fn click_now(&self, id: &str) -> Result<()> {
        // In the middle of the window, because a fixed header or footer may cover an element at the
        // edge.
        let center = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })";
        self.run(center, json!([{ (REFERENCE): id }])).await?;
        self.post(&format!("element/{id}/click"), json!({})).await.map(drop)
    }

    async fn text_now(&self, selector: &str) -> Result<String> {
        let id = self.find(selector).await?;
        let text = self.get(&format!("element/{id}/text")).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Repeats `probe` until it succeeds or the time limit is over. An element may appear later, or
    /// a live update may replace it during the probe.
    async fn with_time_limit<T>(
        &self,
        what: &str,
        probe: impl AsyncFn() -> Result<T>,
    ) -> Result<T> {
        let mut last = None;
        let attempts = async {
            let mut ticks = interval(POLL_INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                match probe().await {
                    Ok(found) => return found,
                    Err(error) => last = Some(error),
                }
            }
        };
        if let Ok(found) = timeout(self.time_limit, attempts).await {
            return Ok(found);
        }
        let page = self.url().await.unwrap_or_default();
        let text = self.texts("body").await.unwrap_or_default().concat();
        let why = last.map_or_else(|| "no result".to_owned(), |error| format!("{error:#}"));
        bail!("timed out on {what} at {page}: {why}; the text of the page:\n{text}");
    }
}
