//! The spans of a job: when it is sent, and at each attempt. One test, since the tracer is the
//! process's.

use std::time::Duration;

use naq_client::trace;
use naq_core::{ErrorKind, Failure};
use naq_worker::testing::Harness;
use naq_worker::{Context, Registry};
use opentelemetry::global;
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceId};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::{Value, json};

/// Fails twice, then sends another job and succeeds.
async fn flaky(_: Value, cx: Context) -> Result<(), Failure> {
    if cx.attempt() < 3 {
        return Err(Failure::new(ErrorKind::CONNECTION, "secret host is away"));
    }
    cx.client().enqueue_task("next", &()).map_err(Failure::from_error)?.await?;
    Ok(())
}

async fn next(_: Value, _: Context) -> Result<(), Failure> {
    Err(Failure::msg("no").fatal())
}

fn attribute(span: &SpanData, key: &str) -> String {
    let found = span.attributes.iter().find(|it| it.key.as_str() == key);
    found.map_or_else(String::new, |it| it.value.to_string())
}

fn of_task<'a>(spans: &'a [SpanData], kind: &SpanKind, task: &str) -> Vec<&'a SpanData> {
    let wanted = |span: &&SpanData| span.span_kind == *kind && attribute(span, "naq.task") == task;
    spans.iter().filter(wanted).collect()
}

#[tokio::test]
async fn every_attempt_has_a_span_that_is_linked_to_the_one_that_sent_the_job() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    global::set_tracer_provider(provider);
    let harness = Harness::new(Registry::new().raw("flaky", flaky).raw("next", next));
    let of_caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let job = harness
        .client()
        .enqueue_task("flaky", &json!({ "card": 4111 }))
        .expect("a name")
        .retry_delay(Duration::from_secs(60))
        .traceparent(of_caller)
        .await
        .expect("sent");
    harness.run_to_end().await;
    harness.job(&job).assert_completed();
    let spans = exporter.get_finished_spans().expect("spans");
    assert_eq!(spans.len(), 1 + 3 + 1 + 1, "{spans:#?}");

    let sent = of_task(&spans, &SpanKind::Producer, "flaky");
    let [sent] = sent[..] else { panic!("{sent:?}") };
    assert_eq!(sent.name, "send default");
    assert_eq!(sent.parent_span_id, SpanId::from_hex("b7ad6b7169203331").expect("an id"));
    let of_caller = TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").expect("an id");
    assert_eq!(sent.span_context.trace_id(), of_caller);
    let report = harness.job(&job).report().clone();
    let carried = report.envelope.and_then(|job| job.traceparent);
    assert_eq!(carried, Some(trace::traceparent(&sent.span_context)));

    let attempts = of_task(&spans, &SpanKind::Consumer, "flaky");
    let numbers: Vec<_> = attempts.iter().map(|span| attribute(span, "naq.attempt")).collect();
    let outcomes: Vec<_> = attempts.iter().map(|span| attribute(span, "naq.outcome")).collect();
    assert_eq!(
        (numbers.join(" "), outcomes.join(" ")),
        ("1 2 3".into(), "retry retry success".into())
    );
    for span in &attempts {
        assert_eq!(span.name, "process default");
        let linked: Vec<_> = span.links.iter().map(|link| link.span_context.span_id()).collect();
        assert_eq!(linked, [sent.span_context.span_id()]);
        assert_ne!(span.span_context.trace_id(), of_caller, "a trace of its own");
        for (key, value) in [
            ("messaging.system", "nats"),
            ("messaging.destination.name", "default"),
            ("messaging.operation.type", "process"),
            ("naq.job_id", job.id().as_str()),
        ] {
            assert_eq!(attribute(span, key), value);
        }
    }
    assert_eq!(attempts[0].status, Status::error("ConnectionError"));
    assert_eq!(attempts[2].status, Status::Unset);

    let follows = of_task(&spans, &SpanKind::Producer, "next");
    assert_eq!(follows[0].parent_span_id, attempts[2].span_context.span_id(), "sent by a handler");
    let dead = of_task(&spans, &SpanKind::Consumer, "next");
    assert_eq!(attribute(dead[0], "naq.outcome"), "dead");
    assert_eq!(attribute(dead[0], "error.type"), "Error");
    let told = format!("{spans:?}");
    assert!(!told.contains("4111") && !told.contains("secret host"), "{told}");
}
