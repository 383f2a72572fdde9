//! File processing: a blocking handler. NAQ knows the kind of a `std::io::Error` without more code.

use std::io;

use naq::{Context, Job};
use serde::{Deserialize, Serialize};

use super::{Shop, fail_as_planned};

/// Imports a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportFile {
    /// The file.
    pub path: String,
    /// What goes wrong, attempt by attempt.
    pub faults: Vec<FileFault>,
}

/// What goes wrong with files. An `io::Error` cannot be serialised, so this enum stands for its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileFault {
    /// The file does not exist yet. `Error.not_found`.
    Missing,
    /// The network share hangs. `TimeoutError`.
    Stalled,
    /// This user may not read it. `PermissionError`.
    Denied,
}

impl Job for ImportFile {
    const NAME: &'static str = "demo.file";
    type Output = String;
}

impl From<FileFault> for io::Error {
    fn from(fault: FileFault) -> Self {
        match fault {
            FileFault::Missing => io::ErrorKind::NotFound,
            FileFault::Stalled => io::ErrorKind::TimedOut,
            FileFault::Denied => io::ErrorKind::PermissionDenied,
        }
        .into()
    }
}

/// Reads the file, on a thread that may block.
///
/// # Errors
/// The fault of this attempt.
pub fn import_file(job: ImportFile, cx: Context<Shop>) -> io::Result<String> {
    fail_as_planned(&job.faults, cx.attempt())?;
    Ok(format!("{} imported", job.path))
}
