//! The question before a command that removes something.

use anyhow::Result;
use clap::Args;

use crate::exit::{CliError, ExitCode};
use crate::output::Output;

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Confirm {
    /// Print what the command would do, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask; a command that removes jobs needs this when there is no terminal
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Asks `question`, unless `--yes` or `--dry-run` is given.
///
/// # Errors
/// The answer was no, or there is no terminal to ask on.
pub(crate) fn ask(confirm: &Confirm, out: Output, question: &str) -> Result<()> {
    if confirm.yes || confirm.dry_run {
        return Ok(());
    }
    match out.confirm(question)? {
        Some(true) => Ok(()),
        Some(false) => Err(CliError::new(ExitCode::Failed, "not done: the answer was no").into()),
        None => Err(CliError::usage(
            "this removal cannot be undone, and there is no terminal to ask on",
        )
        .next("add --yes; to see first what it would remove, use --dry-run")
        .into()),
    }
}
