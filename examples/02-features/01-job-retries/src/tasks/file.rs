//! File processing: a blocking handler. `std::io::Error` needs no code to be an error kind.

use std::io;

use naq::{Context, Job};
use serde::{Deserialize, Serialize};

use super::{Shop, play};

/// Imports a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportFile {
    /// Which.
    pub path: String,
    /// What goes wrong, attempt by attempt.
    pub faults: Vec<FileFault>,
}

/// What goes wrong with files; as an `io::Error` cannot travel, its kind does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileFault {
    /// Not there yet: whoever writes it is late. `Error.not_found`.
    Missing,
    /// The network share hangs. `TimeoutError`.
    Stalled,
    /// It belongs to somebody else. `PermissionError`.
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
    play(&job.faults, cx.attempt())?;
    Ok(format!("{} imported", job.path))
}
