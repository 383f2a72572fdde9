//! How a test's nats-server is configured.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::NatsServer;

/// Settings of a [`NatsServer`]; made by [`NatsServer::builder`].
#[derive(Debug, Default)]
pub struct NatsServerBuilder {
    config: String,
    jetstream: String,
    files: Vec<(String, Vec<u8>)>,
}

impl NatsServerBuilder {
    /// Adds lines to the server's configuration file, such as `authorization { token: s3cr3t }`.
    /// Relative paths in it mean files given with [`file`](Self::file).
    #[must_use]
    pub fn config(mut self, lines: &str) -> Self {
        self.config.push_str(lines);
        self.config.push('\n');
        self
    }

    /// Writes a file (a certificate, say) into the directory that the server runs in.
    #[must_use]
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// Largest message in bytes; the server's default is 1 MiB.
    #[must_use]
    pub fn max_payload(self, bytes: usize) -> Self {
        self.config(&format!("max_payload: {bytes}"))
    }

    /// When JetStream syncs to disk: `always`, or an interval such as `10s`; default 2 minutes.
    #[must_use]
    pub fn sync_interval(mut self, interval: &str) -> Self {
        let _ = writeln!(self.jetstream, "  sync_interval: {interval}");
        self
    }

    /// Starts the server and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// No nats-server can be had, or it did not start: the message carries the end of its log.
    pub fn start(self) -> Result<NatsServer> {
        let dir = tempfile::Builder::new()
            .prefix("naq-nats-")
            .tempdir()
            .context("cannot make a directory for nats-server")?;
        self.write(dir.path())?;
        NatsServer::start_in(dir)
    }

    fn write(&self, dir: &Path) -> Result<()> {
        let store = dir.join("store");
        let config = format!(
            "host: 127.0.0.1\njetstream {{\n  store_dir: '{}'\n{}}}\n{}",
            store.display(),
            self.jetstream,
            self.config
        );
        let config = (NatsServer::CONFIG, config.as_bytes());
        for (name, content) in
            self.files.iter().map(|(n, c)| (n.as_str(), c.as_slice())).chain([config])
        {
            let path = dir.join(name);
            std::fs::write(&path, content)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}
