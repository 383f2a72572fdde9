//! See [`job_retries::programs::basic`].

use std::process::ExitCode;

use clap::Parser as _;
use job_retries::{demo, programs};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut demo = demo::Args::parse().start().await?;
    programs::basic(&mut demo).await?;
    Ok(demo.finish())
}
