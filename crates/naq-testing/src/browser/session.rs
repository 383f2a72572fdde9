//! The browser's process and the session in it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::{Theme, wire};
use crate::{ChildProcess, locate};

/// How long chromedriver may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// As root it has no sandbox, and it fetches nothing that a page does not ask for.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--no-first-run",
    "--hide-scrollbars",
];

/// A Chromium with one tab and a profile of its own, that dies with its owner.
///
/// Helpers that look for something wait until it is there, up to 15 seconds, and their error says what
/// was there instead: pages change under the test's eyes. Selectors are CSS. The page is 1280 by 800
/// pixels and light, until told otherwise.
#[derive(Debug)]
pub struct Browser {
    driver: ChildProcess,
    port: u16,
    session: String,
    pub(super) patience: Duration,
}

impl Browser {
    /// Starts one; takes about a second.
    ///
    /// # Errors
    ///
    /// There is none on this machine (see `scripts/chromium`), or it did not start.
    pub async fn start() -> Result<Self> {
        let (chromium, chromedriver) = programs()?;
        let mut command = Command::new(chromedriver);
        command.arg("--port=0");
        let mut driver = ChildProcess::spawn(command)?;
        driver.wait_for_output("started successfully", PATIENCE).await?;
        let output = driver.stdout();
        let port = output.rsplit("on port ").next().and_then(|rest| rest.split('.').next());
        let port = port.and_then(|port| port.trim().parse().ok());
        let port = port.with_context(|| format!("chromedriver names no port: {output}"))?;

        let profile = format!("--user-data-dir={}", driver.dir().join("profile").display());
        let flags: Vec<&str> = FLAGS.into_iter().chain([profile.as_str()]).collect();
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "binary": chromium, "args": flags },
            // What a page prints, and what the browser has against it: see `problems`.
            "goog:loggingPrefs": { "browser": "ALL" },
            "unhandledPromptBehavior": "ignore",
        } } });
        let answer = wire::command(port, "/session", Some(&capabilities)).await;
        let answer = answer.context("chromedriver could not start Chromium")?;
        let session = answer["sessionId"].as_str().context("a session without an id")?.to_owned();
        let mut browser = Self { driver, port, session, patience: Duration::ZERO };
        browser.reset().await?;
        Ok(browser)
    }

    /// An empty page, and everything else as it was at the start.
    async fn reset(&mut self) -> Result<()> {
        self.patience = Duration::from_secs(15);
        self.goto("about:blank").await?;
        self.window(1280, 800).await?;
        self.theme(Theme::Light).await?;
        self.problems().await.map(drop)
    }

    /// How long a helper waits for what it looks for: 15 seconds until this is called.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The process id of chromedriver, whose child the browser is.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.driver.pid()
    }

    /// Opens a page, and waits until it has loaded.
    ///
    /// # Errors
    ///
    /// Nothing answers at this address.
    pub async fn goto(&self, url: &str) -> Result<()> {
        self.post("url", json!({ "url": url })).await.with_context(|| format!("at {url}")).map(drop)
    }

    /// The address that the tab shows.
    ///
    /// # Errors
    ///
    /// The browser is gone; so with every other helper.
    pub async fn url(&self) -> Result<String> {
        let url = self.get("url").await?;
        Ok(url.as_str().unwrap_or_default().to_owned())
    }

    /// Runs a function body in the page, with `arguments[0]` and so on, and returns what it returns.
    ///
    /// # Errors
    ///
    /// It threw.
    pub async fn run(&self, script: &str, arguments: Value) -> Result<Value> {
        self.post("execute/sync", json!({ "script": script, "args": arguments })).await
    }

    /// As [`run`](Self::run), and waits for the promise that it returns.
    ///
    /// # Errors
    ///
    /// It threw, or the promise was rejected.
    pub async fn run_async(&self, script: &str, arguments: Value) -> Result<Value> {
        let script = format!(
            "const done = arguments[arguments.length - 1];\n\
             (async function () {{ {script} }}).apply(null, arguments)\n\
             .then(value => done({{ value }}), error => done({{ error: String(error) }}));"
        );
        let body = json!({ "script": script, "args": arguments });
        let mut answer = self.post("execute/async", body).await?;
        match answer["error"].as_str() {
            Some(error) => bail!("{error}"),
            None => Ok(answer["value"].take()),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        wire::command(self.port, &format!("/session/{}/{path}", self.session), None).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Value> {
        wire::command(self.port, &format!("/session/{}/{path}", self.session), Some(&body)).await
    }

    /// A command of the browser's own protocol, for what WebDriver has no word.
    pub(super) async fn devtools(&self, command: &str, params: Value) -> Result<Value> {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": params })).await
    }
}

/// The browser that all tests of this process share, one after the other; started on first use, ended
/// with the process. Each test gets it with an empty page, in the size and theme of the start.
///
/// # Panics
///
/// No browser can be had or started: such a test fails, it is not skipped.
pub async fn shared_browser() -> MutexGuard<'static, Browser> {
    static BROWSER: tokio::sync::OnceCell<Mutex<Browser>> = tokio::sync::OnceCell::const_new();
    let browser = BROWSER.get_or_init(async || match Browser::start().await {
        Ok(browser) => Mutex::new(browser),
        Err(error) => panic!("no browser to test with: {error:#}"),
    });
    let mut browser = browser.await.lock().await;
    browser.reset().await.unwrap_or_else(|error| panic!("the browser is broken: {error:#}"));
    browser
}

/// Chromium and chromedriver: `NAQ_CHROMIUM` and `NAQ_CHROMEDRIVER`, or what `scripts/chromium` finds or
/// installs. Looked up once a process.
fn programs() -> Result<(PathBuf, PathBuf)> {
    static FOUND: OnceLock<Result<(PathBuf, PathBuf), String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let given = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        if let (Some(chromium), Some(driver)) = (given("NAQ_CHROMIUM"), given("NAQ_CHROMEDRIVER")) {
            return Ok((chromium.into(), driver.into()));
        }
        let paths = locate::ask("chromium").map_err(|error| format!("{error:#}"))?;
        let (chromium, driver) = paths.split_once('\n').ok_or("scripts/chromium named one path")?;
        Ok((chromium.into(), driver.into()))
    });
    found.clone().map_err(anyhow::Error::msg)
}
