//! A job that fails twice, its handler, and a worker: the program of docs/getting-started.md.

use naq::prelude::*;

// The job: a task's name, and typed arguments.
#[derive(Serialize, Deserialize)]
struct Greet {
    name: String,
}

impl Job for Greet {
    const NAME: &'static str = "greet";
    type Output = String;
}

// The handler. It fails in its first two attempts, as a service fails that is down for a moment.
async fn greet(job: Greet, cx: Context) -> Result<String, Failure> {
    if cx.attempt() < 3 {
        return Err(Failure::new(ErrorKind::CONNECTION, "the mail server is away"));
    }
    Ok(format!("hello {}, in attempt {}", job.name, cx.attempt()))
}

// The program is the whole `naq` command, with this task in it.
fn main() -> std::process::ExitCode {
    naq_cli::main(Registry::new().task(greet))
}
