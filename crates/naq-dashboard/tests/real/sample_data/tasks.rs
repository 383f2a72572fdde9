//! The handlers of the sample data's tasks.

use std::time::Duration;

use naq_core::{Clock, ErrorKind, Failure, SystemClock, Timer};
use naq_worker::{Context, Registry};
use serde_json::{Value, json};

pub(crate) const NAMES: [&str; 7] = ["ada", "alan", "barbara", "edsger", "grace", "ken", "tony"];

pub(crate) fn registry() -> Registry {
    Registry::new()
        .raw("email.send", email)
        .raw("invoice.charge", charge)
        .raw("invoice.close", close)
        .raw("partner.sync", sync)
        .raw("video.encode", encode)
        .raw("report.render", report)
        .raw("health.ping", close)
        .raw("import.extract", close)
        .raw("import.load", load)
        .raw("import.report", close)
}

async fn email(args: Value, cx: Context) -> Result<Value, Failure> {
    let order = number(&args, "order");
    pass(5 + order % 40).await;
    let failures = match order {
        n if n % 97 == 3 => 9,
        n if n % 23 == 5 => 2,
        n if n % 9 == 4 => 1,
        _ => 0,
    };
    if u64::from(cx.attempt()) <= failures {
        let message = format!("connect to smtp-{}.example.com:25: connection refused", order % 3);
        return Err(Failure::new(named("ConnectionError.refused"), message));
    }
    Ok(json!({ "message_id": format!("<{order}@mail.example.com>") }))
}

async fn charge(args: Value, cx: Context) -> Result<Value, Failure> {
    let customer = number(&args, "customer");
    pass(20 + customer % 80).await;
    if customer % 11 == 2 {
        let message = format!("the card of customer {customer} was declined: insufficient funds");
        return Err(Failure::new(named("PaymentError.declined"), message));
    }
    if customer % 17 == 1 && (customer.is_multiple_of(2) || cx.attempt() == 1) {
        return Err(Failure::new(ErrorKind::TIMEOUT, "no answer from the bank within 5.0 s"));
    }
    Ok(json!({ "receipt": customer * 7 }))
}

async fn sync(args: Value, cx: Context) -> Result<Value, Failure> {
    let item = number(&args, "item");
    pass(30 + item % 50).await;
    if item.is_multiple_of(4) && cx.attempt() > 1 {
        return Ok(json!({ "version": 3 }));
    }
    if item.is_multiple_of(31) {
        let message = format!("item '{item}' has no field \"price\"");
        return Err(Failure::new(ErrorKind::VALUE, message).fatal());
    }
    let message = format!("503 from https://api.acme.example/v2/items/{item}: over capacity");
    Err(Failure::new(ErrorKind::http(503), message))
}

async fn encode(_: Value, cx: Context) -> Result<(), Failure> {
    for step in 1..=600 {
        cx.progress(step, 600, "frames");
        pass(1_000).await;
    }
    Ok(())
}

async fn load(args: Value, _: Context) -> Result<Value, Failure> {
    pass(150).await;
    if args["day"] == "tuesday" && args["what"] == "stock" {
        return Err(Failure::new(ErrorKind::VALUE, "line 2317: 'amount' is not a number"));
    }
    Ok(json!({ "rows": 2_316 }))
}

async fn report(_: Value, _: Context) -> Result<(), Failure> {
    pass(200).await;
    Ok(())
}

async fn close(_: Value, _: Context) -> Result<(), Failure> {
    pass(60).await;
    Ok(())
}

fn number(args: &Value, name: &str) -> u64 {
    args[name].as_u64().unwrap_or_default()
}

fn named(kind: &'static str) -> ErrorKind {
    ErrorKind::new(kind).expect("a kind")
}

async fn pass(ms: u64) {
    SystemClock.sleep_until(SystemClock.now() + Duration::from_millis(ms)).await;
}
