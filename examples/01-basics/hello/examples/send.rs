//! Enqueues a job and waits for its result. The other program of docs/getting-started.md.

use naq::Strategy;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = naq::blocking::connect("nats://localhost:4222")?;
    let job = client
        .enqueue_task("greet", &serde_json::json!({ "name": "Ada" }))?
        .max_retries(4)
        .retry_strategy(Strategy::Exponential)
        .retry_delay(Duration::from_millis(500))
        .send()?;
    println!("{}", job.wait(Duration::from_secs(60))?);
    Ok(())
}
