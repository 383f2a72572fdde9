//! Dead letters, and actions on one, on some and on all of them.

use std::time::Duration;

use naq_client::BatchState;
use naq_core::{Clock, ErrorKind};

use crate::test_dashboard::{TestDashboard, field, number, text};

const ALL: [(&str, &str); 2] = [("scope", "dead"), ("queue", "mail")];

#[tokio::test]
async fn dead_letters_are_listed_page_by_page_and_by_error_group() {
    let dashboard = TestDashboard::open();
    dashboard.die("email.send", 55, &ErrorKind::TIMEOUT, "no answer in 3 s").await;
    dashboard.die("report.make", 4, &ErrorKind::VALUE, "<script>\"x\"").await;
    let first = dashboard.page("/dead", &["data-n=\"dead\" data-value=\"59\""]).await;
    assert_eq!(first.matches("data-item=").count(), 50);
    let (_, next) = first.split_once("rel=\"next\" href=\"").unwrap();
    let next = text(next.split_once('"').unwrap().0);
    let second = dashboard.get(&next).await;
    assert_eq!(second.matches("data-item=").count(), 9);
    assert!(!second.contains("rel=\"next\"") && !second.contains("<script>\""), "{second}");
    assert!(second.contains("href=\"/jobs/mail/report-make-ValueError-0\""), "{second}");
    let group = "/dead?task=report.make&kind=ValueError&pattern=%3Cscript%3E%E2%80%A6";
    assert!(text(&second).contains(group), "{second}");
    assert_eq!(dashboard.get(group).await.matches("data-item=").count(), 4);
    let one = dashboard.get("/dead?id=email-send-TimeoutError-7").await;
    assert_eq!(one.matches("data-item=").count(), 1);
    let beyond = dashboard.get("/dead?from=1000000").await;
    assert!(beyond.contains("There are no more dead letters"), "{beyond}");
    assert!(!beyond.contains("No job has died"), "{beyond}");
    let none = dashboard.get("/dead?queue=other").await;
    assert!(none.contains("No dead letters match this filter"), "{none}");
}

#[tokio::test]
async fn a_bulk_requeue_needs_a_preview_keeps_its_rate_and_is_undone_byte_for_byte() {
    let dashboard = TestDashboard::open();
    dashboard.die("email.send", 12, &ErrorKind::TIMEOUT, "no answer in 3 s").await;
    let before = dashboard.letters().await;
    let mut fields = ALL.to_vec();
    fields.extend([("verb", "requeue"), ("per_second", "2")]);
    let refused = dashboard.act("batch", &fields).await.unwrap_err();
    assert!(refused.contains("give a reason"), "{refused}");
    fields.push(("reason", "the provider is back"));
    let refused = dashboard.act("batch", &fields).await.unwrap_err();
    assert!(refused.contains("press Preview first"), "{refused}");

    let reply = dashboard.act("batch/preview", &fields).await.unwrap();
    let preview = reply["html"].as_str().unwrap();
    let words = "12 dead letters of queue mail";
    assert!(preview.contains(words) && preview.contains("10s"), "{preview}");
    assert_eq!(dashboard.letters().await.len(), 12, "a preview does nothing");
    let fingerprint = field(preview, "agreed");
    let another =
        [("scope", "dead"), ("verb", "requeue"), ("reason", "x"), ("agreed", &fingerprint)];
    let refused = dashboard.act("batch", &another).await.unwrap_err();
    assert!(refused.contains("changed since its preview"), "{refused}");

    fields.extend([("agreed", &*fingerprint), ("back", "/dead?queue=mail")]);
    let now = dashboard.clock.now();
    let reply = dashboard.act("batch", &fields).await.unwrap();
    assert_eq!(reply["next"], "/dead?queue=mail");
    assert_eq!(reply["message"], format!("Started: requeue {words}."));
    let batch = dashboard.ended_batch().await;
    assert_eq!((batch.done, batch.words.as_str()), (12, words));
    assert!(dashboard.letters().await.is_empty());
    let waits: Vec<_> = dashboard
        .waiting()
        .await
        .iter()
        .map(|it| it.due_at.unwrap().since(now).as_millis())
        .collect();
    let expected: Vec<_> = (0..12).map(|n| 10_000 + n * 500).collect();
    assert_eq!(waits, expected, "no job for 10 s, then two a second");
    let html = dashboard.page("/batches", &["Undo", "data-state=\"done\""]).await;
    assert_eq!(number(&html, "done"), 12);

    dashboard.clock.advance(Duration::from_secs(1)).await;
    let undone = dashboard.act(&format!("batch/{}/undo", batch.id), &[]).await.unwrap();
    assert_eq!(undone["message"], "Undone: 12 of 12 are dead letters again.");
    assert!(dashboard.waiting().await.is_empty());
    let after = dashboard.letters().await;
    let bytes = |letters: &[naq_core::transport::Stored]| -> Vec<_> {
        letters.iter().map(|it| (it.key.clone(), it.message.clone())).collect()
    };
    assert_eq!(bytes(&after), bytes(&before));
    let verbs: Vec<_> = dashboard.audit().await.into_iter().map(|it| it.what).collect();
    assert_eq!(verbs, ["undo", "requeue"], "each once, newest first");
    let again = dashboard.act(&format!("batch/{}/undo", batch.id), &[]).await.unwrap_err();
    assert!(again.contains("nothing left to undo"), "{again}");
}

#[tokio::test]
async fn an_action_on_selected_letters_leaves_the_others_and_one_letter_needs_no_reason() {
    let dashboard = TestDashboard::open();
    dashboard.die("email.send", 5, &ErrorKind::TIMEOUT, "no answer in 3 s").await;
    let letters = dashboard.letters().await;
    let items: Vec<_> = letters.iter().map(|it| format!("{}@{}", it.key, it.seq)).collect();
    let html = dashboard.page("/dead", &["data-value=\"5\""]).await;
    assert!(items.iter().all(|item| html.contains(&format!("value=\"{item}\" form=\"selected\""))));

    let mut fields = vec![("scope", "letters"), ("verb", "purge")];
    let refused = dashboard.act("batch/preview", &fields).await.unwrap_err();
    assert!(refused.contains("no dead letter is selected"), "{refused}");
    fields.extend([("item", &*items[1]), ("item", &*items[3])]);
    let reply = dashboard.act("batch/preview", &fields).await.unwrap();
    let preview = reply["html"].as_str().unwrap();
    assert!(preview.contains("2 selected dead letters"), "{preview}");
    let fingerprint = field(preview, "agreed");
    fields.extend([("agreed", &*fingerprint), ("reason", "test data"), ("confirm", "2")]);
    let more = [fields.clone(), vec![("item", &*items[0])]].concat();
    assert!(
        dashboard.act("batch", &more).await.is_err(),
        "one more letter was selected after the preview"
    );
    let mut others = fields.clone();
    others[3] = ("item", &*items[2]);
    assert!(dashboard.act("batch", &others).await.is_err(), "the same number, but other letters");
    dashboard.act("batch", &fields).await.unwrap();
    assert_eq!(dashboard.ended_batch().await.state, BatchState::Done);
    assert_eq!(dashboard.letters().await.len(), 3);

    let one = [("scope", "letters"), ("verb", "requeue"), ("item", &*items[0])];
    let reply = dashboard.act("batch", &one).await.unwrap();
    assert_eq!(reply["message"], "Done: requeue 1 selected dead letter.");
    assert_eq!((dashboard.letters().await.len(), dashboard.waiting().await.len()), (2, 1));
    let gone = dashboard.act("batch", &one).await.unwrap_err();
    assert!(gone.contains("the job is gone"), "{gone}");
    let purge = [("scope", "letters"), ("verb", "purge"), ("item", &*items[2])];
    dashboard.act("batch", &purge).await.unwrap();
    assert_eq!(dashboard.letters().await.len(), 1);
    let invalid = [("scope", "letters"), ("verb", "purge"), ("item", "mail/../x@y")];
    assert!(dashboard.act("batch", &invalid).await.is_err());
}

#[tokio::test]
async fn a_batch_whose_process_ended_is_shown_as_stopped_and_is_resumed_or_cancelled() {
    let dashboard = TestDashboard::open();
    dashboard.die("email.send", 3, &ErrorKind::TIMEOUT, "no answer").await;
    let order = |who: &str| {
        let scope = naq_client::BatchScope::Dead(naq_client::DeadFilter::default());
        naq_client::BatchOrder::new(naq_client::BatchAction::PurgeDead, scope, who)
    };
    let first = dashboard.client.start_batch(order("ann")).await.unwrap();
    dashboard.clock.advance(Duration::from_secs(40)).await;
    dashboard.page("/batches", &["data-state=\"stopped\"", "Continue"]).await;
    dashboard.act(&format!("batch/{}/cancel", first.id), &[]).await.unwrap();
    assert_eq!(dashboard.letters().await.len(), 3);
    let refused = dashboard.act(&format!("batch/{}/cancel", first.id), &[]).await.unwrap_err();
    assert!(refused.contains("nothing left to cancel"), "{refused}");
    dashboard.clock.advance(Duration::from_secs(1)).await;
    let second = dashboard.client.start_batch(order("bob")).await.unwrap();
    let resume = format!("batch/{}/resume", second.id);
    dashboard.act(&resume, &[("reason", "the machine is back")]).await.unwrap();
    assert_eq!(dashboard.ended_batch().await.done, 3);
    assert!(dashboard.letters().await.is_empty());
    // The order of two entries with the same time is not defined.
    let resumed = dashboard.audit().await.into_iter().find(|entry| entry.what == "resume").unwrap();
    assert_eq!(resumed.reason, "the machine is back");
    assert!(resumed.scope.starts_with(&format!("batch {}: purge", second.id)), "{resumed:?}");
    let refused = dashboard.act(&resume, &[]).await.unwrap_err();
    assert!(refused.contains("nothing left to do"), "{refused}");
    assert_eq!(dashboard.audit().await.iter().filter(|entry| entry.what == "resume").count(), 1);
}
