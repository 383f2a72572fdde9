//! What the programs can be told.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;

use super::{Screen, Stage};

const NO_BROKER: &str =
    "start a broker (cd docker && docker-compose up -d), or say where one is (NAQ_NATS_URL)";

/// Enqueues jobs that fail, shows their attempts, and compares them with what was expected.
///
/// The broker is the one that NAQ_NATS_URL names (nats://localhost:4222 by default).
#[derive(Debug, Parser)]
pub struct Args {
    /// How long a second of the reference document lasts here; 1s for its own numbers.
    #[arg(
        long,
        env = "NAQ_DEMO_SECOND",
        value_name = "DURATION",
        default_value = "200ms",
        value_parser = humantime::parse_duration
    )]
    pub second: Duration,
}

impl Args {
    /// Connects, and opens a stage on the terminal.
    ///
    /// # Errors
    /// The broker cannot be reached, or a `NAQ_*` variable makes no sense.
    pub async fn stage(&self) -> Result<Stage> {
        let client = naq::connect_from_env().await.context(NO_BROKER)?;
        Ok(Stage::new(client, self.second, Screen::Terminal))
    }
}
