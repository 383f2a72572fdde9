//! Files with secrets that other users of this machine can read.

use std::path::Path;

/// Whether every user of this machine can read the file. A group may: that is how a container gets it.
#[cfg(unix)]
pub(crate) fn is_open_to_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|file| file.permissions().mode() & 0o007 != 0)
}

/// Whether every user of this machine can read the file. This is not checked here.
#[cfg(not(unix))]
pub(crate) fn is_open_to_all(_: &Path) -> bool {
    false
}
