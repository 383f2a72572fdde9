//! [`Processes`]: what reads the messages: workers, commands and the dashboard.

use std::fmt;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use naq_core::{Clock, SystemClock};
use naq_testing::ChildProcess;

use crate::{PATIENCE, QUEUE};

/// The variable that makes this binary the `naq` command.
pub(crate) const RUNS_NAQ: &str = "FUZZ_RUNS_NAQ";
/// How long one look of a person may take, on a busy machine.
const LOOK: Duration = Duration::from_secs(60);

/// The processes that must outlive every message.
pub(crate) struct Processes {
    url: String,
    workers: Vec<ChildProcess>,
    dashboard: ChildProcess,
    /// Where the dashboard serves.
    address: String,
    slowest: Look,
}

/// How long a command or a page took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    what: String,
    took: Duration,
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {:?}", self.what, self.took)
    }
}

/// This binary as the `naq` command, without the variables of this machine.
fn naq(url: &str, args: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NAQ_") {
            command.env_remove(name);
        }
    }
    command.env(RUNS_NAQ, "1").env("NAQ_NATS_URL", url).args(args);
    Ok(command)
}

impl Processes {
    pub(crate) async fn start(url: &str) -> Result<Self> {
        let worker =
            ["worker", QUEUE, "--lease", "2s", "--concurrency", "20", "--log-level", "error"];
        let workers = (0..2).map(|_| ChildProcess::spawn(naq(url, &worker)?));
        let workers = workers.collect::<Result<_>>()?;
        let mut dashboard = ChildProcess::spawn(naq(url, &["dashboard", "--port", "0"])?)?;
        dashboard.wait_for_output("dashboard at http://", PATIENCE).await?;
        let said = dashboard.stdout();
        let address = said.trim().rsplit("http://").next().unwrap_or_default();
        let address = address.trim_end_matches('/').to_owned();
        Ok(Self { url: url.to_owned(), workers, dashboard, address, slowest: Look::default() })
    }

    /// What operators and their tools read.
    ///
    /// # Errors
    /// A command fails, or a page is not served.
    pub(crate) fn read_everything(&mut self) -> Result<()> {
        for args in [
            &["job", "list", "--limit", "200"][..],
            &["job", "list", "--state", "dead", "-o", "json"],
            &["job", "list", "--state", "completed"],
            &["job", "list", "--state", "scheduled"],
            &["dlq", "list", "--limit", "300"],
            &["queue", "list"],
            &["workers"],
            &["schedule", "list"],
        ] {
            self.look(&format!("naq {}", args.join(" ")), |this| this.run(args))?;
        }
        for path in
            ["/", "/jobs", "/jobs?state=dead", "/dead", "/queues", "/queues/fuzz", "/workers"]
        {
            self.look(path, |this| this.page(path))?;
        }
        Ok(())
    }

    fn look(&mut self, what: &str, look: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let began = SystemClock.now();
        look(self).with_context(|| what.to_owned())?;
        let took = SystemClock.now().since(began);
        ensure!(took < LOOK, "{what}: it took {took:?}");
        if took > self.slowest.took {
            self.slowest = Look { what: what.to_owned(), took };
        }
        Ok(())
    }

    fn run(&self, args: &[&str]) -> Result<()> {
        let output = naq(&self.url, args)?.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {said}", output.status);
        Ok(())
    }

    fn page(&self, path: &str) -> Result<()> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(LOOK))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.lines().next().unwrap_or_default();
        ensure!(status.contains(" 200 "), "{status}");
        Ok(())
    }

    /// # Errors
    /// A process has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        for process in self.workers.iter_mut().chain([&mut self.dashboard]) {
            if let Some(status) = process.try_wait()? {
                bail!("a process ended with {status}: {}", process.stderr());
            }
        }
        Ok(())
    }

    /// Stops all processes as an operator does. Returns the slowest look.
    ///
    /// # Errors
    /// A process has ended before, or does not end as it should.
    pub(crate) async fn end(mut self) -> Result<Look> {
        self.check()?;
        self.page("/healthz")?;
        for process in self.workers.iter_mut().chain([&mut self.dashboard]) {
            process.terminate()?;
            let status = process.wait(PATIENCE).await?;
            ensure!(status.success(), "a process ended with {status}: {}", process.stderr());
        }
        Ok(self.slowest)
    }
}
