//! [`LargeArgsArg`]: the option of the commands that enqueue jobs.

use clap::{Args, ValueEnum};
use naq_client::LargeArgs;

/// `--large-args`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct LargeArgsArg {
    /// What happens to arguments that are too large for a message: refuse the job, or store them beside the
    /// job, up to 64 MiB
    #[arg(
        long = "large-args",
        env = "NAQ_LARGE_ARGS",
        value_name = "WHAT",
        value_enum,
        default_value = "refuse"
    )]
    choice: Choice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    Refuse,
    Store,
}

impl From<LargeArgsArg> for LargeArgs {
    fn from(arg: LargeArgsArg) -> Self {
        match arg.choice {
            Choice::Refuse => Self::Refuse,
            Choice::Store => Self::Store,
        }
    }
}
