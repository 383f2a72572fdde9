//! See [`job_retries::programs::advanced`].

use std::process::ExitCode;

use clap::Parser as _;
use job_retries::{programs, stage};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut stage = stage::Args::parse().stage().await?;
    programs::advanced(&mut stage).await?;
    Ok(stage.finish())
}
