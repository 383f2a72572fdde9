//! A broker in which every text from a job, a worker or a schedule is hostile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Bytes;
use naq_client::AuditEntry;
use naq_core::retry::Rule;
use naq_core::stats::{Ending, Observation, ObservedError, Run, Tally};
use naq_core::transport::{
    Consumer, Directory, Fact, JobKey, Producer, Settler, StatsStore, Submission, WorkerInfo,
    WorkerStatus,
};
use naq_core::wire::WireMessage;
use naq_core::{
    Clock, DeadLetter, ErrorKind, FinalRecord, JobId, JobState, Payload, QueueName, SystemClock,
    TaskName, Timestamp, WorkerId,
};
use serde_json::json;

use crate::hostile_text::{MARK, evil, evil_line};
use crate::scan::{faults, tags, unescaped};
use crate::test_dashboard::TestDashboard;

/// The most pages of one shape that the test visits: `/jobs/*/*` is one shape.
const MAX_PER_SHAPE: usize = 6;

fn name(text: &str) -> QueueName {
    QueueName::new(text).unwrap()
}

/// A job that NAQ's own client would not write.
fn body(id: &str) -> serde_json::Value {
    json!({
        "task": "email.send",
        "args": { "to": evil("args"), evil("args-key"): [evil("args-item")] },
        "tags": [evil_line("tag")],
        "traceparent": evil("trace"),
        "idempotency": evil(id),
        "history": [{
            "attempt": 1,
            "outcome": "failed",
            "started_at": "2026-11-23T12:00:00Z",
            "ended_at": "2026-11-23T12:00:01Z",
            "worker": "w1",
            "error_kind": "HTTPError.503",
            "message": evil("history-message"),
            "decision": evil("history-decision"),
            "reason": evil("history-reason"),
            "delay_ms": 1000,
        }],
        "attempt": 2,
    })
}

async fn publish(
    dashboard: &TestDashboard,
    queue: &str,
    id: &str,
    body: Vec<u8>,
    due_at: Option<Timestamp>,
) {
    let message = WireMessage::new(Bytes::from(body))
        .with("Content-Type", "application/json")
        .with("X-Whatever", evil("header"));
    let key = JobKey::new(name(queue), JobId::new(id).unwrap());
    let job = Submission { key, due_at, dedup: format!("{queue}-{id}"), unique: false, message };
    dashboard.broker.publish(job).await.unwrap();
}

async fn fill(dashboard: &TestDashboard) {
    let now = SystemClock.now();
    let json = |id: &str| serde_json::to_vec(&body(id)).unwrap();
    publish(dashboard, "mail", "waits", json("waits"), Some(now + Duration::from_secs(3_600)))
        .await;
    publish(dashboard, "mail", "pending", json("pending"), None).await;
    publish(dashboard, "mail", "broken", evil("body").into_bytes(), None).await;
    let task = serde_json::to_vec(&json!({ "task": evil("task"), "args": 1 })).unwrap();
    publish(dashboard, "mail", "unknown", task, None).await;
    for id in ["dead", "garbled"] {
        publish(dashboard, "grave", id, json(id), None).await;
    }
    publish(dashboard, "done", "done", json("done"), None).await;

    let mut sub =
        dashboard.broker.subscribe(&name("grave"), Duration::from_secs(60)).await.unwrap();
    for delivery in sub.fetch(2, Duration::from_millis(50)).await.unwrap() {
        let garbled = delivery.stored.key.id.as_str() == "garbled";
        let letter = DeadLetter {
            step: delivery.step(),
            task: (!garbled).then(|| TaskName::new("email.send").unwrap()),
            error_kind: ErrorKind::new("HTTPError.503").unwrap(),
            message: evil("letter-message"),
            rule: Rule::MaxRetries,
            reason: evil("letter-reason"),
            died_at: now,
            content_type: Some(evil("content-type")),
            body: match garbled {
                true => Bytes::from(evil("letter-body")),
                false => delivery.stored.message.body.clone(),
            },
        };
        dashboard.broker.write(&Fact::dead(&delivery.stored, &letter)).await.unwrap();
        delivery.handle.ack().await.unwrap();
    }
    let mut sub = dashboard.broker.subscribe(&name("done"), Duration::from_secs(60)).await.unwrap();
    for delivery in sub.fetch(1, Duration::from_millis(50)).await.unwrap() {
        let envelope = delivery.stored.envelope().unwrap();
        let result = Payload::encode(envelope.codec, &json!({ "said": evil("result") })).unwrap();
        let record = FinalRecord {
            envelope,
            state: JobState::Completed,
            finished_at: now,
            result: Some(result),
        };
        let fact = Fact::record(&delivery.stored, &record).unwrap().unwrap();
        dashboard.broker.write(&fact).await.unwrap();
        delivery.handle.ack().await.unwrap();
    }
    write_stats(dashboard, now).await;
    write_heartbeats(dashboard, now).await;
    add_operations(dashboard).await;
}

/// Counts attempts with hostile texts.
async fn write_stats(dashboard: &TestDashboard, now: Timestamp) {
    let mut tally = Tally::default();
    let task = TaskName::new("email.send").unwrap();
    let kind = ErrorKind::new("HTTPError.503").unwrap();
    for attempt in 1..=60 {
        let error = ObservedError { kind: &kind, message: &evil("group"), rule: Rule::MaxRetries };
        let seen = Observation {
            queue: &name("mail"),
            task: Some(&task),
            job: &JobId::random(),
            attempt: attempt % 4 + 1,
            crashes: 0,
            run: Some(Run { started_at: now, ended_at: now, ready_at: now, was_due: true }),
            ending: Ending::Retried {
                delay: Duration::from_secs(30),
                due_at: now + Duration::from_secs(30),
            },
            error: Some(error),
        };
        tally.record(&seen, now);
    }
    for it in tally.unwritten(&WorkerId::new("liar").unwrap(), &evil("stats-version"), now) {
        dashboard.broker.stats_put(&it.report).await.unwrap();
    }
}

/// Writes heartbeats with hostile texts and impossible times.
async fn write_heartbeats(dashboard: &TestDashboard, now: Timestamp) {
    let worker = |id: &str, started_at, concurrency, running| WorkerInfo {
        worker_id: WorkerId::new(id).unwrap(),
        status: WorkerStatus::Busy,
        queues: vec![name("mail")],
        concurrency,
        running,
        hostname: evil("hostname"),
        pid: u32::MAX,
        version: evil("version"),
        started_at,
        heartbeat_at: Timestamp::from_millis(u64::MAX),
        finished: u64::MAX,
        failed: u64::MAX,
        signed: Vec::new(),
    };
    let all = [
        worker("ahead", Timestamp::from_millis(u64::MAX), 0, u32::MAX),
        worker("behind", Timestamp::default(), u32::MAX, u32::MAX),
        worker("liar", now, 1, 9),
    ];
    for worker in all {
        dashboard.broker.heartbeat(&worker, Duration::from_secs(3_600)).await.unwrap();
    }
}

/// Adds an audit entry, a pause, a schedule and a workflow with hostile texts.
async fn add_operations(dashboard: &TestDashboard) {
    let entry = AuditEntry::new(evil("audit-who"), evil("audit-what"), evil("audit-scope"));
    dashboard.client.audit(entry.reason(evil("audit-reason"))).await.unwrap();
    let queue = name("mail");
    let task = TaskName::new("email.send").unwrap();
    dashboard
        .client
        .pause_task(&queue, &task, None, &evil("pause-who"), &evil("pause-reason"))
        .await
        .unwrap();
    let job = dashboard.client.enqueue_task("email.send", &[evil("schedule-args")]).unwrap();
    let schedule = dashboard.client.schedule("nightly").cron("0 3 * * *").template(job).prepare();
    dashboard.client.schedules().register(schedule.unwrap()).await.unwrap();
    let workflow = naq_client::Workflow::new(evil("workflow"))
        .job(
            "first",
            dashboard.client.enqueue_task("email.send", &[evil("workflow-args")]).unwrap(),
        )
        .job("second", dashboard.client.enqueue_task("email.send", &[1]).unwrap())
        .after("second", ["first"]);
    // The client may refuse such a name. If it does not, the name is shown.
    let _ = dashboard.client.start(workflow).await;
}

/// Follows links from the first page, up to [`MAX_PER_SHAPE`] of each shape, and returns the pages.
async fn visit_all(dashboard: &TestDashboard) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut shapes = BTreeMap::<String, usize>::new();
    let mut left = vec!["/".to_owned()];
    let mut known: BTreeSet<String> = left.iter().cloned().collect();
    while let Some(path) = left.pop() {
        let answer = dashboard.get(&path).await;
        if !answer.header("content-type").starts_with("text/html") {
            continue;
        }
        for tag in tags(&answer.body).iter().filter(|tag| tag.name == "a") {
            let Some(link) = tag.get("href").filter(|link| link.starts_with('/')) else { continue };
            let link = link.split('#').next().unwrap().to_owned();
            let (place, query) = link.split_once('?').unwrap_or((&link, ""));
            let names: Vec<_> =
                query.split('&').map(|pair| pair.split('=').next().unwrap()).collect();
            let place: Vec<_> = place
                .split('/')
                .take(2)
                .chain([if place.matches('/').count() > 1 { "*" } else { "" }])
                .collect();
            let seen =
                shapes.entry(format!("{}?{}", place.join("/"), names.join("&"))).or_default();
            if *seen < MAX_PER_SHAPE && known.insert(link.clone()) {
                *seen += 1;
                left.push(link);
            }
        }
        pages.insert(path, answer.body);
    }
    pages
}

#[tokio::test]
async fn no_text_from_a_job_becomes_markup() {
    let dashboard = TestDashboard::open(|options| options.environment = Some(evil("environment")));
    fill(&dashboard).await;
    dashboard.page("/failures", "data-group=").await;
    let mut pages = visit_all(&dashboard).await;
    for path in [
        "/jobs/mail/waits",
        "/jobs/mail/pending",
        "/jobs/mail/broken",
        "/jobs/mail/unknown",
        "/jobs/grave/dead",
        "/jobs/grave/garbled",
        "/jobs/done/done",
        "/find?q=mail",
    ] {
        pages.insert(path.to_owned(), dashboard.get(path).await.body);
    }
    // A link that a visitor follows may be hostile too.
    let code: String = evil("query").bytes().map(|byte| format!("%{byte:02X}")).collect();
    for path in pages.keys().cloned().collect::<Vec<_>>() {
        let place = path.split('?').next().unwrap();
        for field in [
            "name", "queue", "task", "kind", "tag", "id", "state", "window", "before", "from",
            "policy", "q",
        ] {
            let path = format!("{place}?{field}={code}");
            pages.entry(path.clone()).or_insert(dashboard.get(&path).await.body);
        }
        let path = format!("{}/{code}", place.trim_end_matches('/'));
        pages.insert(path.clone(), dashboard.get(&path).await.body);
    }
    for (path, html) in &pages {
        let faults = faults(html);
        assert!(faults.is_empty(), "{path}: {faults:#?}");
    }
    let shown = pages.values().map(|html| unescaped(html)).collect::<String>();
    for who in [
        "environment",
        "args",
        "tag",
        "history-message",
        "letter-message",
        "result",
        "group",
        "hostname",
        "version",
        "audit-who",
        "audit-scope",
        "audit-reason",
        "pause-reason",
    ] {
        assert!(shown.contains(&format!("{MARK}-{who}<script>")), "no page shows {who}");
    }
}

#[tokio::test]
async fn every_entry_of_the_navigation_is_a_page() {
    let dashboard = TestDashboard::open(|_| {});
    fill(&dashboard).await;
    dashboard.page("/failures", "data-group=").await;
    let home = dashboard.get("/").await.body;
    let keys: Vec<_> =
        tags(&home).into_iter().filter(|tag| tag.get("data-key").is_some()).collect();
    assert!(keys.len() >= 10, "{keys:?}");
    for link in keys.iter().filter_map(|tag| tag.get("href")) {
        assert_eq!(dashboard.get(link).await.status, 200, "{link}");
    }
}

#[tokio::test]
async fn live_regions_have_no_forged_marks() {
    let dashboard = TestDashboard::open(|_| {});
    fill(&dashboard).await;
    dashboard.page("/workers", MARK).await;
    for path in ["/", "/queues", "/queues/mail", "/workers", "/broker", "/retries", "/failures"] {
        let html = dashboard.get(path).await.body;
        let marks = html.matches("<!--live ").count();
        assert_eq!(marks, html.matches("<!--/live-->").count(), "{path}");
        assert_eq!(marks, html.matches("data-live=").count(), "{path}: one mark for each region");
    }
}
