//! Runs `naq`, and the example binary, without this machine's `NAQ_*` variables.

use std::path::PathBuf;
use std::process::{Command, Output};

use naq_testing::{ChildProcess, NatsServer};
use serde_json::Value;

/// The stock binary.
pub(crate) fn naq() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_naq")))
}

pub(crate) fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("NAQ_")
            || name.starts_with("OTEL_")
            || name.starts_with("CLICOLOR")
            || name == "NO_COLOR"
        {
            command.env_remove(&*name);
        }
    }
    // No test reads the contexts of the user who runs it.
    command.env("NAQ_CONFIG_DIR", env!("CARGO_TARGET_TMPDIR"));
    command.env("COLUMNS", "100");
    command
}

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Stdout as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|err| panic!("{err}: {self:?}"))
    }

    /// Fails the test unless the exit code is 0.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Stdout without the line break at its end.
    pub(crate) fn line(&self) -> &str {
        self.stdout.trim_end()
    }
}

/// Runs a command and waits for its end.
pub(crate) fn finish(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().expect("naq starts");
    Ran {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8(stdout).expect("UTF-8"),
        stderr: String::from_utf8(stderr).expect("UTF-8"),
    }
}

/// Runs `naq` with these arguments and without a broker.
pub(crate) fn offline(args: &[&str]) -> Ran {
    // A command that connects all the same fails at once, with another exit code.
    finish(naq().env("NAQ_NATS_URL", "nats://127.0.0.1:9").args(args))
}

/// A broker for one test.
pub(crate) struct Broker {
    pub(crate) server: NatsServer,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self { server: NatsServer::start().unwrap_or_else(|err| panic!("{err:#}")) }
    }

    /// Runs `naq` against this broker.
    pub(crate) fn naq(&self, args: &[&str]) -> Ran {
        finish(naq().env("NAQ_NATS_URL", self.server.url()).args(args))
    }

    /// Runs `naq` with `-o json` against this broker.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.naq(&[args, &["-o", "json"]].concat()).ok().json()
    }

    /// Enqueues a job, and returns its id.
    pub(crate) fn enqueue(&self, args: &[&str]) -> String {
        self.naq(&[&["enqueue"], args].concat()).ok().line().to_owned()
    }

    /// Starts the worker of `examples/own_binary.rs`.
    pub(crate) fn worker(&self, args: &[&str]) -> ChildProcess {
        let mut command = clean(Command::new(own_binary()));
        command.env("NAQ_NATS_URL", self.server.url()).arg("worker").args(args);
        ChildProcess::spawn(command).unwrap_or_else(|err| panic!("{err:#}"))
    }

    /// Follows a job until it ends, at most a minute.
    pub(crate) fn watch(&self, id: &str) -> Ran {
        self.naq(&["job", "watch", id, "--timeout", "1m"])
    }
}

/// The example binary, which cargo builds with the tests.
pub(crate) fn own_binary() -> PathBuf {
    let naq = PathBuf::from(env!("CARGO_BIN_EXE_naq"));
    let path = naq.with_file_name("examples").join("own_binary");
    assert!(path.is_file(), "{} is missing: cargo build -p naq-cli --examples", path.display());
    path
}

/// Longer than any step of these tests takes.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(100);
