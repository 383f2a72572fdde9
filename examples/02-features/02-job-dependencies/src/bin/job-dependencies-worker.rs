//! A worker with these jobs, and the whole `naq` command: `worker worker`, `worker workflow list`.

use std::process::ExitCode;

fn main() -> ExitCode {
    naq_cli::main(job_dependencies::jobs::registry())
}
