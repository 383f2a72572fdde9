//! `naq top` without a terminal.

use naq_testing::eventually;
use serde_json::Value;

use crate::run::{Broker, PATIENCE, offline};

fn of<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    let all = list.as_array().expect("a list");
    all.iter().find(|it| it[key] == name).unwrap_or_else(|| panic!("no {name} in {list}"))
}

#[tokio::test]
async fn it_counts_finished_and_waiting_jobs() {
    let broker = Broker::start();
    broker.enqueue(&["greet", "-q", "idle"]);
    let _worker = broker.worker(&["mail"]);
    let flaky = ["flaky", "-q", "mail", "--args", "1", "--retry-delay", "10ms"];
    let ids = [
        broker.enqueue(&["greet", "-q", "mail"]),
        broker.enqueue(&flaky),
        broker.enqueue(&["refuse", "-q", "mail", "--args", "\"no \\u001b[2J 17\""]),
    ];
    ids.iter().for_each(|id| drop(broker.watch(id)));
    let seen = eventually("the worker has told", PATIENCE, async || {
        let seen = broker.json(&["top"]);
        (seen["window"]["started"] == 4).then_some(seen)
    })
    .await;
    let window = &seen["window"];
    let counts = ["completed", "retried", "dead"].map(|name| window[name].as_u64());
    assert_eq!(counts, [Some(2), Some(1), Some(1)], "{window}");
    assert_eq!(of(&seen["queues"], "name", "idle")["pending"], 1);
    assert_eq!(of(&seen["queues"], "name", "idle")["workers"], 0);
    assert_eq!(of(&seen["queues"], "name", "mail")["workers"], 1);
    let flaky = of(&seen["tasks"], "task", "flaky");
    assert_eq!((&flaky["retry_share"], &flaky["saved_share"]), (&0.5.into(), &1.0.into()));
    assert_eq!(of(&seen["errors"], "task", "refuse")["dead"], 1);

    let text = broker.naq(&["top"]).ok().stdout;
    assert!(text.contains("retries saved 50.0 % of 2 failures"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn wrong_arguments_are_usage_errors() {
    assert_eq!(offline(&["top"]).code, 4);
    for args in [["top", "--interval", "1ms"], ["top", "--window", "2d"], ["top", "--sort", "x"]] {
        assert_eq!(offline(&args).code, 2, "{args:?}");
    }
}
