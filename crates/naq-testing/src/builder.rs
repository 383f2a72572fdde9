//! The settings of a test's nats-server.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::{NatsServer, unique};

/// The settings of a [`NatsServer`]. Created by [`NatsServer::builder`].
#[derive(Debug, Default)]
pub struct NatsServerBuilder {
    name: Option<String>,
    config: String,
    jetstream: String,
    files: Vec<(String, Vec<u8>)>,
}

impl NatsServerBuilder {
    /// The server's name. By default it is unique.
    pub(crate) fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Adds lines to the server's configuration file, such as `authorization { token: s3cr3t }`.
    /// Relative paths in them refer to files from [`file`](Self::file).
    #[must_use]
    pub fn config(mut self, lines: &str) -> Self {
        self.config.push_str(lines);
        self.config.push('\n');
        self
    }

    /// Writes a file, such as a certificate, into the server's directory.
    #[must_use]
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// The largest message in bytes. The server's default is 1 MiB.
    #[must_use]
    pub fn max_payload(self, bytes: usize) -> Self {
        self.config(&format!("max_payload: {bytes}"))
    }

    /// How much JetStream may store on disk, in bytes. The server's default follows from the disk.
    #[must_use]
    pub fn max_file_store(mut self, bytes: u64) -> Self {
        let _ = writeln!(self.jetstream, "  max_file_store: {bytes}");
        self
    }

    /// When JetStream syncs to disk: `always`, or an interval such as `10s`. The server's default
    /// is 2 minutes.
    #[must_use]
    pub fn sync_interval(mut self, interval: &str) -> Self {
        let _ = writeln!(self.jetstream, "  sync_interval: {interval}");
        self
    }

    /// Starts the server and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// There is no nats-server, or it did not start. The error contains the end of its log.
    pub fn start(self) -> Result<NatsServer> {
        let dir = tempfile::Builder::new()
            .prefix("naq-nats-")
            .tempdir()
            .context("cannot create a directory for nats-server")?;
        self.write(dir.path())?;
        NatsServer::start_in(dir, self.name.unwrap_or_else(|| unique("naq-testing")))
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
