//! The stock `naq`: every command, and no tasks of its own.

use std::process::ExitCode;

use naq_worker::Registry;

fn main() -> ExitCode {
    naq_cli::main(Registry::new())
}
