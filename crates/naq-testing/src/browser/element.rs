//! What is on the page, and what a user's hands do to it.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Browser;

const EVERY: Duration = Duration::from_millis(20);

/// The name under which WebDriver hands out its reference to an element.
const REFERENCE: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The first visible button, link or the like below `arguments[0]` that is called `arguments[1]`.
const BY_NAME: &str = "
    const all = [...document.querySelectorAll(arguments[0])].flatMap(scope => [...scope.querySelectorAll(
        'button, a, summary, label, [role=button], [role=tab], input[type=submit]')]);
    const called = e => [e.innerText, e.value, e.getAttribute('aria-label')]
        .some(name => typeof name === 'string' && name.trim() === arguments[1]);
    return all.find(e => e.checkVisibility() && !e.disabled && called(e)) ?? null;";

impl Browser {
    /// Waits until an element is there.
    ///
    /// # Errors
    ///
    /// It is not in time; so with every helper of a selector.
    pub async fn wait_for(&self, selector: &str) -> Result<()> {
        self.patiently(selector, async || self.find(selector).await.map(drop)).await
    }

    /// Waits until no element is there.
    ///
    /// # Errors
    ///
    /// There still is.
    pub async fn wait_gone(&self, selector: &str) -> Result<()> {
        let gone = async || {
            ensure!(self.count(selector).await? == 0, "it is still there");
            Ok(())
        };
        self.patiently(selector, gone).await
    }

    /// Waits until the visible text of the first such element contains `text`.
    ///
    /// # Errors
    ///
    /// It does not: the error says what it is.
    pub async fn wait_for_text(&self, selector: &str, text: &str) -> Result<()> {
        let found = async || {
            let now = self.text_now(selector).await?;
            ensure!(now.contains(text), "it says {now:?}, not {text:?}");
            Ok(())
        };
        self.patiently(selector, found).await
    }

    /// Waits until the address of the tab contains `part`.
    ///
    /// # Errors
    ///
    /// It does not.
    pub async fn wait_for_url(&self, part: &str) -> Result<()> {
        let found = async || {
            let now = self.url().await?;
            ensure!(now.contains(part), "it is {now}");
            Ok(())
        };
        self.patiently(part, found).await
    }

    /// Clicks an element with the mouse, as soon as the mouse can reach it.
    ///
    /// # Errors
    ///
    /// It is not there, or covered by something else.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let click = async || self.click_now(&self.find(selector).await?).await;
        self.patiently(selector, click).await
    }

    /// Clicks the button, link or label below `scope` whose text (or `aria-label`) is `name`.
    ///
    /// # Errors
    ///
    /// There is none that can be seen.
    pub async fn press(&self, scope: &str, name: &str) -> Result<()> {
        let click = async || {
            let found = self.run(BY_NAME, json!([scope, name])).await?;
            let id = found[REFERENCE].as_str().with_context(|| format!("no {name:?} in there"))?;
            self.click_now(id).await
        };
        self.patiently(scope, click).await
    }

    /// Empties a field and types `text` into it.
    ///
    /// # Errors
    ///
    /// It is not there, or takes no text.
    pub async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        let fill = async || {
            let id = self.find(selector).await?;
            self.post(&format!("element/{id}/clear"), json!({})).await?;
            self.post(&format!("element/{id}/value"), json!({ "text": text })).await.map(drop)
        };
        self.patiently(selector, fill).await
    }

    /// Chooses the option of that value in a `select`.
    ///
    /// # Errors
    ///
    /// It has none.
    pub async fn choose(&self, selector: &str, value: &str) -> Result<()> {
        self.click(&format!("{selector} option[value={value:?}]")).await
    }

    /// Presses keys, one after the other, wherever the focus is. Keys that are no character have one in
    /// WebDriver: `\u{e00c}` is Escape, `\u{e007}` Enter.
    ///
    /// # Errors
    ///
    /// The browser is gone.
    pub async fn keys(&self, keys: &str) -> Result<()> {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let board = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("actions", json!({ "actions": [board] })).await.map(drop)
    }

    /// The visible text of the first such element.
    ///
    /// # Errors
    ///
    /// It is not there.
    pub async fn text(&self, selector: &str) -> Result<String> {
        self.patiently(selector, async || self.text_now(selector).await).await
    }

    /// The visible texts of all such elements, of none as well: as they are now.
    ///
    /// # Errors
    ///
    /// The selector is none.
    pub async fn texts(&self, selector: &str) -> Result<Vec<String>> {
        let all =
            "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText.trim())";
        let texts = self.run(all, json!([selector])).await?;
        let texts = texts.as_array().context("no list of texts")?.iter();
        Ok(texts.map(|text| text.as_str().unwrap_or_default().to_owned()).collect())
    }

    /// An attribute of the first such element; `None` if it has none of that name.
    ///
    /// # Errors
    ///
    /// The element is not there.
    pub async fn attribute(&self, selector: &str, name: &str) -> Result<Option<String>> {
        let read = async || {
            let id = self.find(selector).await?;
            let value = self.get(&format!("element/{id}/attribute/{name}")).await?;
            Ok(value.as_str().map(str::to_owned))
        };
        self.patiently(selector, read).await
    }

    /// How many such elements there are now.
    ///
    /// # Errors
    ///
    /// The selector is none.
    pub async fn count(&self, selector: &str) -> Result<u64> {
        let count = "return document.querySelectorAll(arguments[0]).length";
        self.run(count, json!([selector])).await?.as_u64().context("no number of elements")
    }

    /// By how many pixels the page is wider than what it is looked at through: 0 on a page that fits.
    ///
    /// # Errors
    ///
    /// The browser is gone.
    pub async fn overflow(&self) -> Result<i64> {
        let over = "return document.documentElement.scrollWidth - window.innerWidth";
        Ok(self.run(over, json!([])).await?.as_i64().context("no width")?.max(0))
    }

    async fn find(&self, selector: &str) -> Result<String> {
        let by = json!({ "using": "css selector", "value": selector });
        let found = self.post("element", by).await?;
        Ok(found[REFERENCE].as_str().context("an element without a reference")?.to_owned())
    }

    async fn click_now(&self, id: &str) -> Result<()> {
        // In the middle: at an edge something that stays when one scrolls may cover it.
        let center = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })";
        self.run(center, json!([{ (REFERENCE): id }])).await?;
        self.post(&format!("element/{id}/click"), json!({})).await.map(drop)
    }

    async fn text_now(&self, selector: &str) -> Result<String> {
        let id = self.find(selector).await?;
        let text = self.get(&format!("element/{id}/text")).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Tries until it works or patience ends: an element may come later, or be replaced by the next
    /// live update while it is looked at.
    async fn patiently<T>(&self, what: &str, probe: impl AsyncFn() -> Result<T>) -> Result<T> {
        let mut last = None;
        let trying = async {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                match probe().await {
                    Ok(found) => return found,
                    Err(error) => last = Some(error),
                }
            }
        };
        if let Ok(found) = timeout(self.patience, trying).await {
            return Ok(found);
        }
        let page = self.url().await.unwrap_or_default();
        let text = self.texts("body").await.unwrap_or_default().concat();
        let why = last.map_or_else(|| "no answer".to_owned(), |error| format!("{error:#}"));
        bail!("in vain for {what} on {page}: {why}; the page says:\n{text}");
    }
}
