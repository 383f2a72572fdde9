//! Error groups.

use naq_client::{Batch, BatchScope, BatchState};
use naq_core::ErrorKind;

use crate::test_dashboard::{End, TestDashboard, field, number, row, task, text};

#[tokio::test]
async fn failures_with_one_cause_are_one_row_with_counts_and_a_page() {
    let mut dashboard = TestDashboard::open();
    for n in 0..40 {
        let end = if n < 30 { End::Retried(5) } else { End::Dead };
        dashboard.attempt(
            "email.send",
            1,
            end,
            (&ErrorKind::TIMEOUT, &format!("no answer in {n} s")),
        );
    }
    for n in 0..7 {
        let gone = format!("<script>alert({n})</script> \u{202e}gone");
        dashboard.attempt("report.make", 1, End::Dead, (&ErrorKind::http(503), &gone));
    }
    dashboard.report_stats().await;
    let html = dashboard.page("/failures", &["no answer in … s", "HTTPError.503"]).await;
    assert_eq!(number(&html, "failures"), 47);
    let id =
        naq_core::stats::GroupId::of(&task("email.send"), &ErrorKind::TIMEOUT, "no answer in … s");
    let mail = row(&html, &format!("data-group=\"{id}\""));
    assert_eq!(["count", "retried", "dead"].map(|name| number(mail, name)), [40, 30, 10]);
    assert!(!html.contains("<script>alert") && !html.contains('\u{202e}'), "{html}");
    let fewer = dashboard.get("/failures?kind=HTTPError").await;
    assert_eq!(number(&fewer, "failures"), 7, "a kind includes the kinds below it");
    let none = dashboard.get("/failures?task=email.send&kind=HTTPError").await;
    assert!(none.contains("No failure in the last"), "{none}");

    let one = dashboard.get(&format!("/failures/{id}?window=1h")).await;
    assert_eq!(["count", "retried", "dead"].map(|name| number(&one, name)), [40, 30, 10]);
    assert!(one.contains("strategy 30") && one.contains("max_retries 10"), "{one}");
    assert!(one.contains("1.2.3") && one.contains("href=\"/jobs/mail/"), "{one}");
}

#[tokio::test]
async fn purging_a_group_leaves_other_dead_letters() {
    let mut dashboard = TestDashboard::open();
    dashboard.attempt("email.send", 1, End::Dead, (&ErrorKind::TIMEOUT, "no answer in 3 s"));
    dashboard.report_stats().await;
    dashboard.die("email.send", 3, &ErrorKind::TIMEOUT, "no answer in 3 s").await;
    dashboard.die("email.send", 2, &ErrorKind::VALUE, "no answer in 3 s").await;
    let id =
        naq_core::stats::GroupId::of(&task("email.send"), &ErrorKind::TIMEOUT, "no answer in … s");
    dashboard.page("/failures", &[&id.to_string()]).await;
    let html = dashboard.get(&format!("/failures/{id}")).await;
    let (_, form) = html.split_once("id=\"group-dead\"").unwrap();
    let names = ["scope", "task", "kind", "pattern"];
    let values = names.map(|name| field(form, name));
    let mut fields: Vec<_> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
    fields.push(("verb", "purge"));
    let reply = dashboard.act("batch/preview", &fields).await.unwrap();
    let preview = reply["html"].as_str().unwrap();
    let fingerprint = field(preview, "agreed");
    let words =
        "3 dead letters of task email.send, kind TimeoutError, message \"no answer in … s\"";
    assert!(text(preview).contains(words), "{preview}");

    fields.extend([("reason", "known"), ("agreed", &fingerprint)]);
    let refused = dashboard.act("batch", &fields).await.unwrap_err();
    assert!(refused.contains("type 3"), "{refused}");
    fields.push(("confirm", "2"));
    let refused = dashboard.act("batch", &fields).await.unwrap_err();
    assert!(refused.contains("there are 3 dead letters"), "{refused}");
    assert_eq!(dashboard.letters().await.len(), 5);
    *fields.last_mut().unwrap() = ("confirm", "3");
    dashboard.act("batch", &fields).await.unwrap();
    let Batch { state, done, words: of_batch, scope, .. } = dashboard.ended_batch().await;
    assert_eq!((state, done, of_batch.as_str()), (BatchState::Done, 3, words));
    assert!(matches!(scope, BatchScope::Dead(_)));
    let left = dashboard.letters().await;
    assert!(
        left.len() == 2 && left.iter().all(|it| it.dead_letter().error_kind == ErrorKind::VALUE)
    );
    let audit = dashboard.audit().await;
    assert_eq!(audit.len(), 1, "{audit:?}");
    let entry = &audit[0];
    assert_eq!((&*entry.who, &*entry.what, &*entry.scope), ("local", "purge", words));
    assert_eq!((entry.count, entry.reason.as_str()), (Some(3), "known"));
}
