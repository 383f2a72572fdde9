//! See [`job_retries::programs::realistic`].

use std::process::ExitCode;

use clap::Parser as _;
use job_retries::{programs, stage};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut stage = stage::Args::parse().stage().await?;
    programs::realistic(&mut stage).await?;
    Ok(stage.finish())
}
