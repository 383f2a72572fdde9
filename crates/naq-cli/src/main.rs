//! The stock `naq` binary: every command, and no tasks.

use std::process::ExitCode;

use naq_worker::Registry;

fn main() -> ExitCode {
    naq_cli::main(Registry::new())
}
