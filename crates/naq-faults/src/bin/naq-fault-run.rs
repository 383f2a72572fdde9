//! `naq-fault-run`: the long run, and every role in it.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    naq_faults::cli::main().await
}
