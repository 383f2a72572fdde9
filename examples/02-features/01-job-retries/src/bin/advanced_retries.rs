//! See [`job_retries::programs::advanced`].

use std::process::ExitCode;

use clap::Parser as _;
use job_retries::{demo, programs};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut demo = demo::Args::parse().start().await?;
    programs::advanced(&mut demo).await?;
    Ok(demo.finish())
}
