//! `docs/retries.md` says what the code does.

use naq_core::JobId;
use naq_core::retry::RetryPolicy;

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/retries.md");
    std::fs::read_to_string(path).expect("the page is part of the repository")
}

/// The text between backticks that looks like a policy.
fn policies(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(|span| span.replace("\\|", "|")).filter(|span| {
        let head = span.split([':', ',']).next().unwrap_or_default();
        let strategy = ["fixed", "linear", "exponential"].contains(&head) && span.contains(':');
        strategy || RetryPolicy::PRESETS.contains(&head)
    })
}

#[test]
fn every_policy_on_the_page_is_one() {
    let read = policies(&page())
        .inspect(|text| {
            text.parse::<RetryPolicy>().unwrap_or_else(|err| panic!("{text}: {err}"));
        })
        .count();
    assert!(read > 20, "only {read} were found: has the page changed its form?");
}

#[test]
fn the_test_vectors_on_the_page_are_what_the_code_computes() {
    let job_id = JobId::new("job-1").expect("valid");
    let page = page();
    let rows = page.lines().filter_map(|line| {
        let (text, numbers) = line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | ")?;
        let numbers: Option<Vec<u128>> = numbers.split(", ").map(|n| n.parse().ok()).collect();
        Some((text.parse::<RetryPolicy>().ok()?, numbers?))
    });
    let checked = rows
        .inspect(|(policy, numbers)| {
            let delays: Vec<u128> = (1..=numbers.len() as u32)
                .map(|retry| policy.retry_delay(&job_id, retry).as_millis())
                .collect();
            assert_eq!(&delays, numbers, "{policy}");
        })
        .count();
    assert_eq!(checked, 5);
}

#[test]
fn the_presets_on_the_page_are_the_presets() {
    let page = page();
    for name in RetryPolicy::PRESETS {
        let text = RetryPolicy::preset(name).expect("a preset").to_string().replace('|', "\\|");
        assert!(page.contains(&format!("| `{text}` |")), "{name} is {text}");
    }
}
