//! Your own binary: the whole `naq` command with your tasks.
//!
//! `cargo run --example own_binary -- worker` runs jobs. To enqueue one, run
//! `naq enqueue greet --args '"Ann"'` in another terminal.

use std::process::ExitCode;
use std::time::Duration;

use naq_core::{Clock, ErrorKind, Failure, SystemClock, Timer};
use naq_worker::{Context, Registry};
use serde_json::{Value, json};

/// The state that all handlers share, such as a database pool.
#[derive(Clone)]
struct App {
    greeting: &'static str,
}

async fn greet(name: Value, cx: Context<App>) -> Result<Value, Failure> {
    Ok(json!({ "greeting": cx.state().greeting, "to": name, "attempt": cx.attempt() }))
}

/// Fails in as many attempts as its argument says.
async fn flaky(failures: Value, cx: Context<App>) -> Result<(), Failure> {
    if Some(u64::from(cx.attempt())) <= failures.as_u64() {
        return Err(Failure::new(ErrorKind::CONNECTION, "the service is down"));
    }
    Ok(())
}

/// Fails without a retry. The error message is in its argument.
async fn refuse(message: Value, _: Context<App>) -> Result<(), Failure> {
    Err(Failure::new(ErrorKind::VALUE, message.as_str().unwrap_or("no")).fatal())
}

/// Takes as many milliseconds as its argument says.
async fn wait(millis: Value, _: Context<App>) -> Result<(), Failure> {
    let millis = Duration::from_millis(millis.as_u64().unwrap_or_default());
    SystemClock.sleep_until(SystemClock.now() + millis).await;
    Ok(())
}

/// Takes as many steps of a tenth of a second as its argument says, and reports its progress. A later
/// attempt continues from the checkpoint.
async fn walk(steps: Value, cx: Context<App>) -> Result<u64, Failure> {
    let steps = steps.as_u64().unwrap_or(10);
    let begin: u64 = cx.restore().await?.unwrap_or(0);
    for step in begin..steps {
        SystemClock.sleep_until(SystemClock.now() + Duration::from_millis(100)).await;
        cx.progress(step + 1, steps, "walking");
        cx.checkpoint(&(step + 1)).await?;
    }
    Ok(steps)
}

/// Returns a text of as many bytes as its argument says.
async fn fill(bytes: Value, _: Context<App>) -> Result<String, Failure> {
    Ok("x".repeat(bytes.as_u64().and_then(|n| n.try_into().ok()).unwrap_or(0)))
}

fn main() -> ExitCode {
    let app = App { greeting: "hello" };
    naq_cli::main(
        Registry::with_state(app)
            .raw("greet", greet)
            .raw("flaky", flaky)
            .raw("refuse", refuse)
            .raw("wait", wait)
            .raw("walk", walk)
            .raw("fill", fill),
    )
}
