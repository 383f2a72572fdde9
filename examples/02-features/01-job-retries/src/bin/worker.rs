//! A worker with the demo's tasks. As any binary that hands its tasks to NAQ it is the whole `naq`
//! command: `worker worker default retry_queue --log-level DEBUG`.

use std::process::ExitCode;

fn main() -> ExitCode {
    naq_cli::main(job_retries::tasks::registry())
}
