//! The async runtime that commands run on, and the connection that most of them need.

use anyhow::{Context, Result};
use naq_client::Client;
use tokio::runtime::Runtime;

use crate::connection::{ClientConfig, connect};

/// A runtime with two threads.
pub(crate) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}

/// Connects to the broker and runs `command` with the client.
///
/// # Errors
/// The broker cannot be reached or refuses the connection, or the command's own error.
pub(crate) fn with_client<T>(
    config: ClientConfig,
    command: impl AsyncFnOnce(&Client) -> Result<T>,
) -> Result<T> {
    runtime()?.block_on(async { command(&connect(config).await?).await })
}
