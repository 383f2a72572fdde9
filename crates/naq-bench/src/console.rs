//! [`Console`]: how the benchmark writes to the user.

use anyhow::Result;

/// How the benchmark writes to the user. The command that calls it owns stdout and stderr.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    /// Writes one line for people, to stderr.
    pub note: fn(&str),
    /// Writes one line of data, to stdout.
    pub line: fn(&str) -> Result<()>,
}
