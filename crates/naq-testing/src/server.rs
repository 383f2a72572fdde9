//! A real nats-server that belongs to a test.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::guarded_process::GuardedProcess;
use crate::poll::{TIME_LIMIT, poll};
use crate::{NatsServerBuilder, locate};

/// A nats-server with JetStream on a loopback port, with its own store. It is killed when this
/// value is dropped.
///
/// Its methods block until the server is ready. A start takes about 20 ms, or more with a large
/// store.
#[derive(Debug)]
pub struct NatsServer {
    // This field comes before the directory, so that the process is dead when its files are
    // removed.
    process: GuardedProcess,
    /// It stays the same after a restart: the servers of a cluster know each other by their names.
    name: String,
    port: u16,
    dir: TempDir,
}

impl NatsServer {
    pub(crate) const CONFIG: &str = "nats.conf";

    /// Starts a server with the default settings: no authentication, no TLS, JetStream with an
    /// empty store.
    ///
    /// # Errors
    ///
    /// There is no nats-server, or it did not start. The error contains the end of its log.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// A server with other settings.
    #[must_use]
    pub fn builder() -> NatsServerBuilder {
        NatsServerBuilder::default()
    }

    /// The URL for clients: `nats://127.0.0.1:PORT`, without credentials. It stays the same after a
    /// restart.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// The same as `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port. It stays the same after a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the running server, or of the last one if none is running.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The path of the server's log, which contains the output of all its starts.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.dir.path().join("nats-server.log")
    }

    /// The directory of the server's store. A test may change it while the server does not run.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// Adds lines to the server's configuration file. They hold after the next [`restart`](Self::restart) or
    /// [`reload`](Self::reload).
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn add_config(&self, lines: &str) -> Result<()> {
        let mut file = OpenOptions::new().append(true).open(self.dir.path().join(Self::CONFIG))?;
        writeln!(file, "{lines}").context("cannot write the configuration")
    }

    /// Sends SIGHUP: the server reads its configuration file again, and connections stay open.
    ///
    /// # Errors
    ///
    /// The configuration cannot be written, or the operating system refused.
    pub fn reload(&mut self) -> Result<()> {
        // A reload takes all settings from the file, and may not change the name.
        self.add_config(&format!("server_name: '{}'", self.name))?;
        self.process.signal(Signal::HUP)
    }

    /// Sends SIGKILL, which is like a crash. The store is not changed.
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// Sends SIGTERM, and waits for the orderly end.
    ///
    /// # Errors
    ///
    /// It still runs after 30 seconds.
    pub fn stop(&mut self) -> Result<()> {
        self.process.signal(Signal::TERM)?;
        let stopped = poll(|| Ok(self.process.try_wait()?.map(drop)))?;
        stopped.with_context(|| {
            format!("nats-server {} did not stop within {TIME_LIMIT:?}", self.pid())
        })
    }

    /// Starts the server again on the same port and store. Kills it first if it still runs.
    ///
    /// # Errors
    ///
    /// It did not start. The error contains the end of its log.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.process = launch(&self.dir, &self.name, self.port)?;
        Ok(())
    }

    /// Sends SIGSTOP: connections stay open and the server does not reply until
    /// [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn pause(&mut self) -> Result<()> {
        self.process.pause()
    }

    /// Sends SIGCONT, which ends a [`pause`](Self::pause).
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn resume(&mut self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Limits the size of each file that the server writes; `None` for no limit. A write beyond the limit
    /// fails, as on a full disk, and the server freezes the stream. A restart has no limit.
    ///
    /// # Errors
    ///
    /// The server does not run, or the operating system refused.
    #[cfg(target_os = "linux")]
    pub fn limit_file_size(&self, bytes: Option<u64>) -> Result<()> {
        self.process.limit_file_size(bytes)
    }

    pub(crate) fn start_in(dir: TempDir, name: String) -> Result<Self> {
        // Another process may take the port after this check and before the server binds it.
        let mut failure = anyhow!("no port was tried");
        for _ in 0..5 {
            let port = free_port()?;
            match launch(&dir, &name, port) {
                Ok(process) => return Ok(Self { process, name, port, dir }),
                Err(error) if error.to_string().contains("address already in use") => {
                    failure = error
                }
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }
}

fn launch(dir: &TempDir, name: &str, port: u16) -> Result<GuardedProcess> {
    let path = dir.path().join("nats-server.log");
    let log = OpenOptions::new().create(true).append(true).open(&path);
    let log = log.with_context(|| format!("cannot write {}", path.display()))?;
    let old_bytes = log.metadata().context("cannot read the log's size")?.len();
    let mut process = GuardedProcess::spawn(&mut command(dir, name, port, log)?, dir.path())?;

    let new_lines = || {
        let text =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let from = usize::try_from(old_bytes).unwrap_or(usize::MAX).min(text.len());
        anyhow::Ok(String::from_utf8_lossy(&text[from..]).into_owned())
    };
    let ready = poll(|| {
        // The server writes this line when the store is recovered and the port is bound, with TLS
        // or without.
        if new_lines()?.contains("Server is ready") {
            return Ok(Some(()));
        }
        match process.try_wait()? {
            Some(status) => {
                bail!("nats-server ended during its start ({status}); its log:\n{}", new_lines()?)
            }
            None => Ok(None),
        }
    })?;
    ensure!(
        ready.is_some(),
        "nats-server was not ready within {TIME_LIMIT:?}; its log:\n{}",
        new_lines()?
    );
    Ok(process)
}

fn command(dir: &TempDir, name: &str, port: u16, log: File) -> Result<Command> {
    let mut command = Command::new(locate::nats_server()?);
    command
        .args(["--config", NatsServer::CONFIG, "--port", &port.to_string()])
        .args(["--name", name])
        .current_dir(dir.path())
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone().context("cannot share the log")?)
        .stderr(log);
    Ok(command)
}

/// A free port below those that the system uses for outgoing connections. Otherwise a client that
/// reconnects while the server is down could get the server's own port and connect to itself.
pub(crate) fn free_port() -> Result<u16> {
    use std::hash::{BuildHasher, RandomState};

    let seed = RandomState::new();
    (0..100u32)
        .map(|attempt| 20_000 + u16::try_from(seed.hash_one(attempt) % 12_000).unwrap_or_default())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no free port between 20000 and 32000")
}
