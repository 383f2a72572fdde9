//! Finds the programs that tests run and that are not part of NAQ.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail, ensure};

/// The path of nats-server: `NAQ_NATS_SERVER`, or the one that `scripts/nats-server` finds or
/// downloads. It is looked up once per process.
pub(crate) fn nats_server() -> Result<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match FOUND.get_or_init(|| find().map_err(|error| format!("{error:#}"))) {
        Ok(path) => Ok(path),
        Err(why) => Err(anyhow!("cannot find a nats-server for the tests: {why}")),
    }
}

fn find() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("NAQ_NATS_SERVER").filter(|value| !value.is_empty()) {
        let path = PathBuf::from(given);
        ensure!(
            path.is_file(),
            "NAQ_NATS_SERVER={} is not a file; correct it or unset it",
            path.display()
        );
        return Ok(path);
    }
    run_script("nats-server").map(PathBuf::from)
}

/// The directory of initdb and postgres: `NAQ_POSTGRES_BIN`, or the one that `scripts/postgres` finds or installs. It
/// is looked up once per process.
pub(crate) fn postgres_bin() -> Result<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let find = || run_script("postgres").map(PathBuf::from).map_err(|error| format!("{error:#}"));
    match FOUND.get_or_init(find) {
        Ok(path) => Ok(path),
        Err(why) => Err(anyhow!("cannot find a PostgreSQL for the tests: {why}")),
    }
}

/// Runs `scripts/NAME` and returns its output, without the newline at the end.
pub(crate) fn run_script(name: &str) -> Result<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts").join(name);
    let output = Command::new("bash")
        .arg(&script)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run bash {}", script.display()))?;
    if !output.status.success() {
        bail!(
            "{} failed:\n{}",
            script.display(),
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
