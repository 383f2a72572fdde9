//! The policy simulator.

use crate::test_dashboard::TestDashboard;

#[tokio::test]
async fn a_policy_is_shown_as_a_table_as_a_curve_and_in_three_formats_to_copy() {
    let dashboard = TestDashboard::new();
    let page = dashboard.page("/simulator?policy=exponential:2s,max_retries=4,jitter=full").await;
    for part in [
        "up to 4 retries, after 2s, then 2 times as long each time",
        r#"<b data-n="dead">0s to 30s</b>"#,
        r#"<svg class="chart curve""#,
        r#"<pre class="code" id="as-text">exponential:2s,max_retries=4,jitter=full</pre>"#,
        ".strategy(Strategy::Exponential)",
        "&#34;max_retries&#34;: 4",
        r#"name="delay" value="2s""#,
        "<option selected>exponential</option>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test]
async fn the_fields_make_the_same_policy_as_the_text() {
    let dashboard = TestDashboard::new();
    let fields = "strategy=linear&delay=5s&increment=3s&max_retries=2&max_delay=1m&jitter=0.5\
                  &retry_for=2h&retry_on=HTTPError.503%7CTimeoutError&max_crashes=9";
    let text = "linear:5s,max_retries=2,increment=3s,max_delay=1m,jitter=0.5,\
                retry_on=HTTPError.503|TimeoutError,retry_for=2h,max_crashes=9";
    for query in [fields.to_owned(), format!("policy={text}")] {
        let page = dashboard.page(&format!("/simulator?{query}")).await;
        let shown = format!(r#"<pre class="code" id="as-text">{text}</pre>"#);
        assert!(page.contains(&shown), "{page}");
    }
}

#[tokio::test]
async fn an_invalid_field_has_an_error_at_that_field() {
    let dashboard = TestDashboard::new();
    for (query, field, message) in [
        ("delay=soon", "delay", "use a duration such as"),
        ("jitter=2", "jitter", "a factor from 0 to 1"),
        ("max_retries=-1", "max_retries", "use a whole number"),
        ("strategy=fixed&multiplier=3", "multiplier", "has no effect with strategy fixed"),
        ("retry_for=0s", "retry_for", "use more than zero"),
        ("retry_on=a%20b", "retry_on", "use error kinds such as"),
    ] {
        let page = dashboard.page(&format!("/simulator?{query}")).await;
        assert!(page.contains(&format!(r#"data-error="{field}""#)), "{query}: {page}");
        assert!(page.contains(message), "{query}: {page}");
        assert!(!page.contains("id=\"as-text\""), "{query}");
    }
    let page = dashboard.page("/simulator?policy=%3Cscript%3E").await;
    assert!(page.contains("malformed start") && !page.contains("<script>"), "{page}");
}

#[tokio::test]
async fn a_policy_of_four_billion_retries_is_a_short_page() {
    let dashboard = TestDashboard::new();
    let page = dashboard.page("/simulator?policy=fixed:1s,max_retries=4294967295").await;
    assert!(page.contains("and up to 4,294,967,245 more retries"), "{page}");
    assert!(page.len() < 60_000, "{}", page.len());
}
