//! The arguments of the programs.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;

use super::{DemoRun, Screen};

const NO_BROKER: &str = "start a broker (cd docker && docker-compose up -d), or set NAQ_NATS_URL to the address of yours";

/// Enqueues jobs that fail, shows their attempts, and compares them with what the program expects.
///
/// The broker is the one that NAQ_NATS_URL names (nats://localhost:4222 by default).
#[derive(Debug, Parser)]
pub struct Args {
    /// How long one second of the programs' delays lasts; 1s for the real delays.
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
    /// Connects to the broker, and returns a run that prints to the terminal.
    ///
    /// # Errors
    /// The broker cannot be reached, or a `NAQ_*` variable is not valid.
    pub async fn start(&self) -> Result<DemoRun> {
        let client = naq::connect_from_env().await.context(NO_BROKER)?;
        Ok(DemoRun::new(client, self.second, Screen::Terminal))
    }
}
