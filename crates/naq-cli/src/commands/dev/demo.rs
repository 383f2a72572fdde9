//! Demo tasks that show retries.

use std::time::Duration;

use naq_core::{Clock, ErrorKind, Failure, SystemClock, Timer};
use naq_worker::{Context, Registry};
use serde::Deserialize;
use serde_json::{Value, json};

/// `demo.ok` succeeds. `demo.flaky` succeeds after two failures, or after `{"failures":N}`.
/// `demo.fail` always fails. `demo.slow` takes five seconds, or `{"seconds":N}`, reports its progress,
/// and continues from its checkpoint after a crash. `demo.panic` panics.
pub(super) fn registry() -> Registry {
    Registry::new()
        .raw("demo.ok", ok)
        .raw("demo.flaky", flaky)
        .raw("demo.fail", fail)
        .raw("demo.slow", slow)
        .raw("demo.panic", panics)
}

async fn ok(args: Value, _: Context) -> Result<Value, Failure> {
    Ok(args)
}

async fn flaky(args: Value, cx: Context) -> Result<Value, Failure> {
    let failures = number(&args, "failures").unwrap_or(2);
    if u64::from(cx.attempt()) <= failures {
        let message = format!("the demo service is down ({} of {failures})", cx.attempt());
        return Err(Failure::new(ErrorKind::CONNECTION, message));
    }
    Ok(json!({ "succeeded_at_attempt": cx.attempt() }))
}

async fn fail(_: Value, _: Context) -> Result<(), Failure> {
    Err(Failure::new(ErrorKind::VALUE, "this demo always fails"))
}

async fn slow(args: Value, cx: Context) -> Result<(), Failure> {
    let steps = number(&args, "seconds").unwrap_or(5).saturating_mul(4);
    let begin: u64 = cx.restore().await?.unwrap_or(0);
    for step in begin..steps {
        SystemClock.sleep_until(SystemClock.now() + Duration::from_millis(250)).await;
        cx.progress(step + 1, steps, "a quarter of a second each");
        cx.checkpoint(&(step + 1)).await?;
    }
    Ok(())
}

async fn panics(_: Value, _: Context) -> Result<(), Failure> {
    panic!("this demo panics")
}

fn number(args: &Value, name: &str) -> Option<u64> {
    u64::deserialize(args.get(name)?).ok()
}
