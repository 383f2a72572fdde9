//! A real nats-server, owned by a test.

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::Process;
use crate::{NatsServerBuilder, locate, unique};

/// How long a server may take to start (it recovers its store first) or to stop.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

/// A nats-server with JetStream on a loopback port, with its own store, that dies with its owner.
///
/// Its methods block for as long as the server takes: some 20 ms to start, more on a big store.
#[derive(Debug)]
pub struct NatsServer {
    // Before the directory, so that it is dead when its files go.
    process: Process,
    port: u16,
    dir: TempDir,
}

impl NatsServer {
    pub(crate) const CONFIG: &str = "nats.conf";

    /// A server with the default settings: no authentication, no TLS, JetStream in a fresh store.
    ///
    /// # Errors
    ///
    /// No nats-server can be had, or it did not start: the message carries the end of its log.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// A server with settings of your own.
    #[must_use]
    pub fn builder() -> NatsServerBuilder {
        NatsServerBuilder::default()
    }

    /// Where to connect: `nats://127.0.0.1:PORT`, without credentials. Restarts do not change it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// The same as `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port, the same for as long as this value lives.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server that runs, or ran last.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The server's log, of all its lives.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.dir.path().join("nats-server.log")
    }

    /// SIGKILL: a crash. The store stays as it was.
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// SIGTERM: an orderly stop, waited for.
    ///
    /// # Errors
    ///
    /// It was still there after 30 seconds.
    pub fn stop(&mut self) -> Result<()> {
        self.process.signal(Signal::TERM)?;
        let stopped = poll(|| Ok(self.process.try_wait()?.map(drop)))?;
        stopped.with_context(|| format!("nats-server {} did not stop in {PATIENCE:?}", self.pid()))
    }

    /// Starts it again on the same port and store, killing it first if it still runs.
    ///
    /// # Errors
    ///
    /// It did not start: the message carries the end of its log.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.process = launch(&self.dir, self.port)?;
        Ok(())
    }

    /// SIGSTOP: connections stay open and nothing answers, until [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn pause(&mut self) -> Result<()> {
        self.process.pause()
    }

    /// SIGCONT: ends a [`pause`](Self::pause).
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn resume(&mut self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    pub(crate) fn start_in(dir: TempDir) -> Result<Self> {
        // Someone else may take the port between our look at it and the server's bind.
        let mut failure = anyhow!("no port tried");
        for _ in 0..5 {
            let port = free_port()?;
            match launch(&dir, port) {
                Ok(process) => return Ok(Self { process, port, dir }),
                Err(error) if error.to_string().contains("address already in use") => {
                    failure = error
                }
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }
}

fn launch(dir: &TempDir, port: u16) -> Result<Process> {
    let path = dir.path().join("nats-server.log");
    let log = OpenOptions::new().create(true).append(true).open(&path);
    let log = log.with_context(|| format!("cannot write {}", path.display()))?;
    let seen = log.metadata().context("cannot look at the log")?.len();
    let mut process = Process::spawn(&mut command(dir, port, log)?, dir.path())?;

    let fresh = || {
        let text =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let from = usize::try_from(seen).unwrap_or(usize::MAX).min(text.len());
        anyhow::Ok(String::from_utf8_lossy(&text[from..]).into_owned())
    };
    let ready = poll(|| {
        // It says so after the store is recovered and the port is bound, with TLS or without.
        if fresh()?.contains("Server is ready") {
            return Ok(Some(()));
        }
        match process.try_wait()? {
            Some(status) => bail!("nats-server ended at once ({status}); its log:\n{}", fresh()?),
            None => Ok(None),
        }
    })?;
    ensure!(ready.is_some(), "nats-server was not ready in {PATIENCE:?}; its log:\n{}", fresh()?);
    Ok(process)
}

fn command(dir: &TempDir, port: u16, log: File) -> Result<Command> {
    let mut command = Command::new(locate::nats_server()?);
    command
        .args(["--config", NatsServer::CONFIG, "--port", &port.to_string()])
        .args(["--name", &unique("naq-testing")])
        .current_dir(dir.path())
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone().context("cannot share the log")?)
        .stderr(log);
    Ok(command)
}

/// A free port below those that the system hands to outgoing connections: a client that reconnects
/// while the server is down could be given the server's own port, and connect to itself.
fn free_port() -> Result<u16> {
    use std::hash::{BuildHasher, RandomState};

    let seed = RandomState::new();
    (0..100u32)
        .map(|attempt| 20_000 + u16::try_from(seed.hash_one(attempt) % 12_000).unwrap_or_default())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no free port between 20000 and 32000")
}

/// Asks until there is an answer or patience ends.
#[expect(
    clippy::disallowed_methods,
    reason = "another process is waited for: its time is the real one"
)]
fn poll<T>(mut probe: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    let start = Instant::now();
    loop {
        let answer = probe()?;
        if answer.is_some() || start.elapsed() > PATIENCE {
            return Ok(answer);
        }
        std::thread::sleep(POLL);
    }
}
