//! A real PostgreSQL server that belongs to a test.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::guarded_process::GuardedProcess;
use crate::locate;
use crate::poll::poll;

/// Who runs the server if the test runs as root: PostgreSQL refuses root.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// A PostgreSQL server on a loopback port, with a new and empty database. It is stopped when this value is dropped.
///
/// A start takes a second or two. The server is at `NAQ_POSTGRES_BIN`, or where `scripts/postgres` finds or installs
/// it. It does not wait for the disk, unless it [is durable](Self::start_durable).
#[derive(Debug)]
pub struct PostgresServer {
    // This field comes before the directory, so that the process is dead when its files are removed.
    process: GuardedProcess,
    port: u16,
    _dir: TempDir,
}

impl PostgresServer {
    /// Starts a server that does not wait for the disk.
    ///
    /// # Errors
    ///
    /// There is no PostgreSQL, or it did not start. The error contains its log.
    pub fn start() -> Result<Self> {
        Self::launch(false)
    }

    /// Starts a server that waits for the disk at each commit, as in production; for measurements.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_durable() -> Result<Self> {
        Self::launch(true)
    }

    /// The URL for clients: `postgres://naq@127.0.0.1:PORT/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://naq@127.0.0.1:{}/postgres", self.port)
    }

    fn launch(durable: bool) -> Result<Self> {
        let bin = locate::postgres_bin()?;
        let dir = tempfile::Builder::new().prefix("naq-postgres-").tempdir()?;
        let user = user_of_server()?;
        if let Some(user) = user {
            run(Command::new("chown").arg(user).arg(dir.path()))?;
        }
        let data = dir.path().join("data");
        let mut initdb = as_user(user, &bin.join("initdb"));
        initdb.args([
            "--username=naq",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        run(initdb.arg("--pgdata").arg(&data).current_dir(dir.path()))?;
        // The port may be taken by another process between the look and the start; then the start fails, and is
        // repeated with another port.
        for _ in 0..3 {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            if let Some(process) = start(bin, user, &data, dir.path(), port, durable)? {
                return Ok(Self { process, port, _dir: dir });
            }
        }
        bail!("PostgreSQL did not start: {}", log(dir.path()))
    }
}

impl Drop for PostgresServer {
    /// Asks it to stop at once, so that it removes its shared memory. It is killed if it does not.
    fn drop(&mut self) {
        let _ = self.process.signal(Signal::QUIT);
        let _ = poll(|| self.process.try_wait());
    }
}

/// Starts the server and waits until it is ready. `None` if it ended.
fn start(
    bin: &Path,
    user: Option<&str>,
    data: &Path,
    dir: &Path,
    port: u16,
    durable: bool,
) -> Result<Option<GuardedProcess>> {
    let mut command = as_user(user, &bin.join("postgres"));
    command.arg("-D").arg(data).arg("-k").arg(dir).args(["-p", &port.to_string()]);
    command.args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=60"]);
    if !durable {
        command.args(["-c", "fsync=off", "-c", "synchronous_commit=off"]);
    }
    let log_file = File::create(dir.join("log")).context("cannot write the log of PostgreSQL")?;
    command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file);
    let mut process = GuardedProcess::spawn(&mut command, dir)?;
    let ready = poll(|| {
        let ended = process.try_wait()?.is_some();
        let ready = log(dir).contains("ready to accept connections");
        Ok((ended || ready).then_some(ready))
    })?;
    let ready = ready.with_context(|| format!("PostgreSQL is not ready: {}", log(dir)))?;
    Ok(ready.then_some(process))
}

fn log(dir: &Path) -> String {
    fs::read_to_string(dir.join("log")).unwrap_or_default()
}

/// The user that has to run the server. `None` if this process is not root.
fn user_of_server() -> Result<Option<&'static str>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users =
        fs::read_to_string("/etc/passwd").context("cannot read the users of this machine")?;
    let exists = |user: &&str| users.lines().any(|line| line.starts_with(&format!("{user}:")));
    let found = USERS.into_iter().find(exists);
    ensure!(found.is_some(), "PostgreSQL refuses to run as root, and there is no user {USERS:?}");
    Ok(found)
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).args(["--clear-groups", "--"]).arg(program);
    command
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {}", name.display()))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {error}", name.display());
    Ok(())
}
