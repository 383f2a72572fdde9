//! A worker with the example's tasks. Like any binary that gives its tasks to NAQ, it is the whole `naq`
//! command: `worker worker default`, `worker schedule list`.

use std::process::ExitCode;

fn main() -> ExitCode {
    naq_cli::main(scheduled_jobs::tasks::registry())
}
