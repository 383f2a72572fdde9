//! Calls a server that fails twice, and one page that it does not have: `cargo run -p retries-alone`.
#![expect(clippy::print_stdout, reason = "it shows each decision")]

use std::error::Error;
use std::thread;

use naq_core::{JobId, RetryPolicy, SystemClock, preview};
use retries_alone::http::get;
use retries_alone::retry::Retries;
use retries_alone::server;

const POLICY: &str = "exponential:200ms,max_retries=4,jitter=equal,\
    retry_on=ConnectionError|TimeoutError|HTTPError,ignore_on=HTTPError.404";

fn main() -> Result<(), Box<dyn Error>> {
    let policy: RetryPolicy = POLICY.parse()?;
    println!("policy: {}", policy.summary());
    for row in preview(&policy) {
        println!("  retry {} after {} to {} ms", row.retry, row.delay_min_ms, row.delay_max_ms);
    }

    let server = server::start()?;
    for path in ["/price", "/no-such-page"] {
        println!("\nGET {path}");
        let retries = Retries {
            policy: &policy,
            call_id: &JobId::derived(["get", path]),
            clock: &SystemClock,
            sleep: &thread::sleep,
        };
        match retries.call(|| get(server, path), |decision| println!("  {}", decision.reason())) {
            Ok(body) => println!("  {body}"),
            Err(failure) => println!("  given up: {}", failure.message()),
        }
    }
    Ok(())
}
