//! The browser's process and its WebDriver session.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::{Theme, webdriver};
use crate::{ChildProcess, locate};

/// How long chromedriver may take to start.
const START_TIME_LIMIT: Duration = Duration::from_secs(30);

/// `--no-sandbox`: Chromium's sandbox does not work for root. The other flags stop the requests that
/// the browser makes by itself.
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

/// A Chromium with one tab and its own profile. Its processes end when this value is dropped.
///
/// Methods that wait for something have a time limit of 15 seconds, and their errors show what the
/// page contains. Selectors are CSS. At first the page is 1280 by 800 pixels, in the light colour
/// scheme.
#[derive(Debug)]
pub struct Browser {
    driver: ChildProcess,
    port: u16,
    session: String,
    pub(super) time_limit: Duration,
}

impl Browser {
    /// Starts a browser. This takes about a second.
    ///
    /// # Errors
    ///
    /// There is no Chromium on this machine (see `scripts/chromium`), or it did not start.
    pub async fn start() -> Result<Self> {
        let (chromium, chromedriver) = programs()?;
        let mut command = Command::new(chromedriver);
        command.arg("--port=0");
        let mut driver = ChildProcess::spawn(command)?;
        driver.wait_for_output("started successfully", START_TIME_LIMIT).await?;
        let output = driver.stdout();
        let port = output.rsplit("on port ").next().and_then(|rest| rest.split('.').next());
        let port = port.and_then(|port| port.trim().parse().ok());
        let port =
            port.with_context(|| format!("chromedriver has not printed its port: {output}"))?;

        let profile = format!("--user-data-dir={}", driver.dir().join("profile").display());
        let flags: Vec<&str> = FLAGS.into_iter().chain([profile.as_str()]).collect();
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "binary": chromium, "args": flags },
            // The console's messages, for `problems`.
            "goog:loggingPrefs": { "browser": "ALL" },
            "unhandledPromptBehavior": "ignore",
        } } });
        let response = webdriver::command(port, "/session", Some(&capabilities)).await;
        let response = response.context("chromedriver could not start Chromium")?;
        let session = response["sessionId"].as_str().context("the session has no id")?.to_owned();
        let mut browser = Self { driver, port, session, time_limit: Duration::ZERO };
        browser.reset().await?;
        Ok(browser)
    }

    /// Opens an empty page and restores all settings of a new browser.
    async fn reset(&mut self) -> Result<()> {
        self.time_limit = Duration::from_secs(15);
        self.goto("about:blank").await?;
        self.window(1280, 800).await?;
        self.theme(Theme::Light).await?;
        self.problems().await.map(drop)
    }

    /// Sets how long methods wait. The default is 15 seconds.
    pub fn set_time_limit(&mut self, time_limit: Duration) {
        self.time_limit = time_limit;
    }

    /// The process id of chromedriver, the parent of the browser.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.driver.pid()
    }

    /// Opens a page and waits until it has loaded.
    ///
    /// # Errors
    ///
    /// There is no response from this URL.
    pub async fn goto(&self, url: &str) -> Result<()> {
        self.post("url", json!({ "url": url })).await.with_context(|| format!("at {url}")).map(drop)
    }

    /// The URL of the tab.
    ///
    /// # Errors
    ///
    /// The browser has ended. The same holds for all other methods.
    pub async fn url(&self) -> Result<String> {
        let url = self.get("url").await?;
        Ok(url.as_str().unwrap_or_default().to_owned())
    }

    /// Runs a function body in the page and returns its result. It reads its arguments from
    /// `arguments[0]` and so on.
    ///
    /// # Errors
    ///
    /// It threw an exception.
    pub async fn run(&self, script: &str, arguments: Value) -> Result<Value> {
        self.post("execute/sync", json!({ "script": script, "args": arguments })).await
    }

    /// Like [`run`](Self::run), but waits for the promise that the script returns.
    ///
    /// # Errors
    ///
    /// It threw an exception, or the promise was rejected.
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
        webdriver::command(self.port, &format!("/session/{}/{path}", self.session), None).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Value> {
        webdriver::command(self.port, &format!("/session/{}/{path}", self.session), Some(&body))
            .await
    }

    /// A command of the DevTools protocol, for what WebDriver does not offer.
    pub(super) async fn devtools(&self, command: &str, params: Value) -> Result<Value> {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": params })).await
    }
}

/// The browser that all tests of this process share, one test at a time. It starts on first use and
/// ends with the process. Each test gets an empty page and the default settings.
///
/// # Panics
///
/// There is no browser, or it does not start. The test fails; it is not skipped.
pub async fn shared_browser() -> MutexGuard<'static, Browser> {
    static BROWSER: tokio::sync::OnceCell<Mutex<Browser>> = tokio::sync::OnceCell::const_new();
    let browser = BROWSER.get_or_init(async || match Browser::start().await {
        Ok(browser) => Mutex::new(browser),
        Err(error) => panic!("cannot start a browser: {error:#}"),
    });
    let mut browser = browser.await.lock().await;
    browser.reset().await.unwrap_or_else(|error| panic!("cannot reset the browser: {error:#}"));
    browser
}

/// The paths of Chromium and chromedriver: `NAQ_CHROMIUM` and `NAQ_CHROMEDRIVER`, or those that
/// `scripts/chromium` finds or installs. They are looked up once per process.
fn programs() -> Result<(PathBuf, PathBuf)> {
    static FOUND: OnceLock<Result<(PathBuf, PathBuf), String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let from_env = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        if let (Some(chromium), Some(driver)) =
            (from_env("NAQ_CHROMIUM"), from_env("NAQ_CHROMEDRIVER"))
        {
            return Ok((chromium.into(), driver.into()));
        }
        let paths = locate::run_script("chromium").map_err(|error| format!("{error:#}"))?;
        let (chromium, driver) =
            paths.split_once('\n').ok_or("scripts/chromium printed only one path")?;
        Ok((chromium.into(), driver.into()))
    });
    found.clone().map_err(anyhow::Error::msg)
}
