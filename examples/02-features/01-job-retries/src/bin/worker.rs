//! A worker with the demo's tasks. Like any binary that gives its tasks to NAQ, it is the whole `naq`
//! command: `worker worker default retry_queue --log-level DEBUG`.

use std::process::ExitCode;

fn main() -> ExitCode {
    naq_cli::main(job_retries::tasks::registry())
}
