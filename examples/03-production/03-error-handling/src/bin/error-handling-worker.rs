//! The whole `naq` command with the tasks of this example: `cargo run -p error-handling --bin
//! error-handling-worker -- worker shop`, and in another terminal `naq breaker list`.

use std::process::ExitCode;

use error_handling::bank::Bank;
use error_handling::tasks;

fn main() -> ExitCode {
    naq_cli::main(tasks::registry(&Bank::default()))
}
