//! The page with a list of jobs.

use std::time::Duration;

use axum::http::StatusCode;
use naq_core::ErrorKind;
use naq_testing::eventually;

use crate::test_dashboard::{TestDashboard, failed, job};

const MINUTE: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);

/// A dashboard with 60 pending, 3 retrying and 2 dead jobs, in two queues.
async fn filled() -> TestDashboard {
    let dashboard = TestDashboard::new();
    let now = dashboard.client.now();
    for n in 0..60 {
        let queue = if n % 2 == 0 { "mail" } else { "reports" };
        let mut job = job(queue, &format!("p-{n:02}"), "email.send", now);
        job.tags = vec![format!("tenant-{}", n % 3)];
        dashboard.put(&job, None).await;
    }
    for n in 0..3 {
        let mut job = job("mail", &format!("r-{n}"), "email.send", now);
        let error = (ErrorKind::CONNECTION, "refused by <b>10.0.0.7</b>");
        job.record(failed(1, now, MINUTE, error, 2 * MINUTE));
        job.attempt = 2;
        dashboard.put(&job, Some(now + MINUTE)).await;
    }
    for n in 0..2 {
        let job = job("reports", &format!("d-{n}"), "report.build", now);
        dashboard.kill(job, ErrorKind::TIMEOUT, "no answer").await;
    }
    dashboard
}

fn rows(page: &str) -> usize {
    page.matches(r#"<th scope="row" class="mono nowrap">"#).count()
}

#[tokio::test]
async fn the_links_to_the_states_have_the_counts_of_the_broker() {
    let dashboard = filled().await;
    eventually("the counts", TIMEOUT, async || {
        let page = dashboard.page("/jobs").await;
        let counts = [("pending", 60), ("waiting", 3), ("dead", 2), ("running", 0)];
        let wrong = counts
            .iter()
            .find(|(name, n)| !page.contains(&format!(r#"data-n="{name}" data-value="{n}""#)));
        wrong.map_or(Ok(()), |wrong| Err(format!("{wrong:?}")))
    })
    .await;
    let page = dashboard.page("/jobs?queue=reports").await;
    assert!(page.contains(r#"data-n="pending" data-value="30""#), "{page}");
}

#[tokio::test]
async fn a_list_has_several_pages_and_ends() {
    let dashboard = filled().await;
    let mut path = "/jobs?state=pending".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = dashboard.page(&path).await;
        seen.push(rows(&page));
        assert!(page.contains("Read "), "{page}");
        let Some((before, _)) = page.split_once(r#"">Next page</a>"#) else { break };
        path = before.rsplit_once(r#"href=""#).expect("a link").1.replace("&#38;", "&");
    }
    assert_eq!(seen.iter().sum::<usize>(), 60, "{seen:?}");
    assert!(seen.len() >= 2, "{seen:?}");
}

#[tokio::test]
async fn filters_in_the_url_narrow_the_list() {
    let dashboard = filled().await;
    for (query, found) in [
        ("state=pending&queue=mail", 30),
        ("state=pending&tag=tenant-1", 20),
        ("state=pending&id=p-1", 10),
        ("state=retrying", 3),
        ("state=retrying&kind=ConnectionError", 3),
        ("state=retrying&kind=TimeoutError", 0),
        ("state=dead&task=report.build", 2),
        ("state=dead&until=1h", 0),
        ("state=dead&since=1h", 2),
        ("state=completed", 0),
    ] {
        let page = dashboard.page(&format!("/jobs?{query}")).await;
        assert_eq!(rows(&page), found, "{query}: {page}");
    }
    let page = dashboard.page("/jobs?state=retrying").await;
    assert!(page.contains("refused by &#60;b&#62;10.0.0.7") && page.contains("2 of 4"), "{page}");
    let page = dashboard.page("/jobs?state=pending&id=p-07").await;
    assert!(page.contains("exactly this id") && page.contains("/jobs/reports/p-07"), "{page}");
}

#[tokio::test]
async fn an_invalid_filter_has_an_error_at_its_field() {
    let dashboard = filled().await;
    for (field, value) in
        [("queue", "a b"), ("kind", "no%20kind"), ("since", "soon"), ("task", "%3Cx")]
    {
        let (status, page) =
            dashboard.get(&format!("/jobs?{field}={}", value.replace(' ', "+"))).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains(&format!(r#"data-error="{field}""#)), "{field}: {page}");
        assert_eq!(rows(&page), 0);
    }
}

#[tokio::test]
async fn an_empty_list_says_what_to_do_next() {
    let dashboard = TestDashboard::new();
    let page = dashboard.page("/jobs").await;
    assert!(page.contains("naq enqueue TASK"), "{page}");
    let page = dashboard.page("/jobs?state=dead&task=x").await;
    assert!(page.contains("No dead jobs match this filter"), "{page}");
}
