//! What stands before every command that removes something.

use anyhow::Result;
use clap::Args;

use crate::exit::{CliError, ExitCode};
use crate::output::Output;

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Confirm {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask; what removes jobs needs this where there is no terminal to ask on
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Returns when it may be done.
///
/// # Errors
/// The answer was no, or there is nobody to ask.
pub(crate) fn ask(confirm: &Confirm, out: Output, question: &str) -> Result<()> {
    if confirm.yes || confirm.dry_run {
        return Ok(());
    }
    match out.confirm(question)? {
        Some(true) => Ok(()),
        Some(false) => Err(CliError::new(ExitCode::Failed, "not done: the answer was no").into()),
        None => Err(CliError::usage(
            "what this removes is gone for good, and there is no terminal to ask on",
        )
        .next("add --yes, or look first with --dry-run")
        .into()),
    }
}
