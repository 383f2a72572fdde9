//! Retries that come due, and retry storms.

use std::time::Duration;

use naq_core::{Clock, ErrorKind, RetryPolicy};

use crate::test_dashboard::{End, TestDashboard, field, number, queue, row, task};

const TIMEOUT: (&ErrorKind, &str) = (&ErrorKind::TIMEOUT, "no answer in 3 s");

#[tokio::test]
async fn retries_that_come_due_are_counted_and_a_storm_is_shown() {
    let mut dashboard = TestDashboard::open();
    (0..20).for_each(|_| dashboard.attempt("email.send", 1, End::Retried(30), TIMEOUT));
    (0..60).for_each(|_| dashboard.attempt("email.send", 2, End::Retried(600), TIMEOUT));
    (0..10).for_each(|_| dashboard.attempt("report.make", 1, End::Ok, TIMEOUT));
    dashboard.report_stats().await;
    let html = dashboard.page("/retries", &["data-storm"]).await;
    assert_eq!((number(&html, "due-minute"), number(&html, "due-hour")), (20, 80));
    assert!(html.contains("75 % of the starts of email.send in mail are retries"), "{html}");
    let mail = row(&html, "data-task=\"mail/email.send\"");
    assert_eq!((number(mail, "retries"), number(mail, "due")), (60, 80));
    assert!(mail.contains("75.0 %") && mail.contains("50ms"), "share and lateness: {mail}");
    assert!(html.contains("<title>in 30s to 40s: 20</title>"), "{html}");
    assert!(
        html.contains("Reduce the load of email.send in mail"),
        "the worst storm has actions: {html}"
    );
    dashboard.clock.advance(Duration::from_secs(700)).await;
    let over = ["data-n=\"due-hour\" data-value=\"0\"", "No attempt started"];
    let after = dashboard.page("/retries", &over).await;
    assert!(!after.contains("data-storm"), "{after}");
    let chosen = dashboard.get("/retries?queue=mail&task=report.make").await;
    assert!(chosen.contains("Reduce the load of report.make in mail"), "{chosen}");
}

#[tokio::test]
async fn a_task_is_paused_and_resumed_and_both_are_audited() {
    let dashboard = TestDashboard::open();
    let of = [("queue", "mail"), ("task", "email.send")];
    let pause = |length| [&of[..], &[("for", length), ("reason", "the provider is down")]].concat();
    for wrong in ["soon", "0s"] {
        assert!(dashboard.act("task/pause", &pause(wrong)).await.is_err(), "{wrong}");
    }
    let reply = dashboard.act("task/pause", &pause("15m")).await.unwrap();
    assert_eq!(reply["message"], "Paused for 15m: email.send in mail.");
    let paused = dashboard.client.paused_tasks().await.unwrap();
    assert_eq!(paused.len(), 1);
    assert_eq!((&paused[0].queue, &paused[0].task), (&queue("mail"), &task("email.send")));
    assert_eq!(paused[0].until.unwrap().since(dashboard.clock.now()), Duration::from_secs(15 * 60));
    let html = dashboard.get("/retries").await;
    assert!(row(&html, "data-paused=\"mail/email.send\"").contains("the provider is down"));
    dashboard.clock.advance(Duration::from_secs(1)).await;
    let resume = [&of[..], &[("reason", "it is back")]].concat();
    dashboard.act("task/resume", &resume).await.unwrap();
    assert!(dashboard.client.paused_tasks().await.unwrap().is_empty());
    let reply = dashboard.act("task/resume", &resume).await.unwrap();
    assert_eq!(reply["message"], "email.send in mail was not paused.");
    let audit = dashboard.audit().await;
    let reply: Vec<_> = audit.iter().map(|it| (&*it.what, &*it.scope, &*it.reason)).collect();
    assert_eq!(
        reply,
        [
            ("resume", "task email.send of queue mail", "it is back"),
            ("pause", "task email.send of queue mail, for 15m", "the provider is down"),
        ]
    );
}

#[tokio::test]
async fn waiting_jobs_are_spread_or_dripped_and_no_job_runs_earlier() {
    let dashboard = TestDashboard::open();
    for (name, count) in [("email.send", 30), ("report.make", 2)] {
        for n in 0..count {
            let job = dashboard.client.enqueue_task(name, &[n]).unwrap();
            job.queue(queue("mail")).delay(Duration::from_secs(20)).await.unwrap();
        }
    }
    let now = dashboard.clock.now();
    let mut before: Vec<u128> = vec![20_000; 30];
    for (verb, option) in [("spread", ("over", "10m")), ("drip", ("per_second", "0.02"))] {
        // A drip has a place every 50 s. The job with n jobs before it needs the first place that is
        // neither taken nor before its own time; a spread may have left the first places to no job.
        let places = (1..=30).rev().zip(&before).map(|(left, due)| due + left * 50_000);
        let latest = if verb == "spread" { 600_000 } else { places.max().unwrap() + 50_000 };
        // The order of two batches with the same time is not defined.
        dashboard.clock.advance(Duration::from_millis(10)).await;
        let mut fields = vec![
            ("scope", "waiting"),
            ("queue", "mail"),
            ("task", "email.send"),
            ("verb", verb),
            option,
        ];
        let reply = dashboard.act("batch/preview", &fields).await.unwrap();
        let preview = reply["html"].as_str().unwrap();
        let words = "30 waiting jobs of queue mail, task email.send";
        assert!(preview.contains(words), "{preview}");
        let fingerprint = field(preview, "agreed");
        fields.extend([("agreed", &*fingerprint), ("reason", "a storm")]);
        let mut faster = fields.clone();
        faster[4].1 = if verb == "drip" { "7" } else { "7m" };
        assert!(dashboard.act("batch", &faster).await.is_err(), "the preview was for another rate");
        dashboard.act("batch", &fields).await.unwrap();
        let batch = dashboard.ended_batch().await;
        assert_eq!(batch.words, words);
        let mut moved = Vec::new();
        let mut others = 0;
        for job in dashboard.waiting().await {
            let wait = job.due_at.unwrap().since(now).as_millis();
            match job.envelope().unwrap().task.as_str() {
                "email.send" => moved.push(wait),
                _ if wait == 20_000 => others += 1,
                _ => panic!("a job of another task was moved: {job:?}"),
            }
        }
        assert_eq!((moved.len(), others), (30, 2));
        assert!(moved.iter().all(|wait| (20_000..=latest).contains(wait)), "{verb}: {moved:?}");
        assert!(moved[29] - moved[0] > 100_000, "{verb}: {moved:?}");
        before.clone_from(&moved);
        if verb == "drip" {
            assert!(moved.windows(3).all(|w| w[2] - w[0] >= 49_999), "{moved:?}");
        }
    }
}

#[tokio::test]
async fn a_job_with_one_attempt_left_is_listed() {
    let dashboard = TestDashboard::open();
    let policy = RetryPolicy::builder().max_retries(1).build();
    for id in ["last", "first"] {
        let job = dashboard.client.enqueue_task("email.send", &()).unwrap();
        job.queue(queue("mail")).id(id).policy(&policy).await.unwrap();
    }
    dashboard.retry_once("last").await;
    let html = dashboard.page("/retries", &["data-n=\"last\" data-value=\"1\""]).await;
    assert!(html.contains("href=\"/jobs/mail/last\"") && html.contains("2 of 2"), "{html}");
    assert!(!html.contains("href=\"/jobs/mail/first\""), "{html}");
}

#[tokio::test]
async fn retries_that_wait_longer_than_the_window_are_a_coming_storm() {
    let mut dashboard = TestDashboard::open();
    (0..600).for_each(|_| dashboard.attempt("email.send", 1, End::Retried(1_200), TIMEOUT));
    dashboard.report_stats().await;
    dashboard.page("/retries", &["data-n=\"due-hour\" data-value=\"600\""]).await;
    dashboard.clock.advance(Duration::from_secs(1_150)).await;
    let html = dashboard.page("/retries", &["data-storm"]).await;
    assert!(html.contains("email.send in mail was not started of late"), "{html}");
    let mail = row(&html, "data-task=\"mail/email.send\"");
    assert_eq!((number(mail, "retries"), number(mail, "due")), (0, 600));
}

#[tokio::test]
async fn of_many_tasks_those_with_the_most_retries_are_shown() {
    let mut dashboard = TestDashboard::open();
    for n in 0..120 {
        dashboard.attempt(&format!("task.{n}"), 1, End::Ok, TIMEOUT);
    }
    dashboard.attempt("task.119", 2, End::Ok, TIMEOUT);
    dashboard.report_stats().await;
    let html = dashboard.page("/retries", &["data-hidden=\"20\""]).await;
    assert_eq!(html.matches("data-task=").count(), 100);
    assert_eq!(number(row(&html, "data-task=\"mail/task.119\""), "retries"), 1);
}
