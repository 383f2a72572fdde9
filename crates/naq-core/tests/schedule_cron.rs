//! When schedules tick: forms of cron, zones, the two nights of the year, intervals, windows.
#![cfg(feature = "schedules")]

use std::time::Duration;

use naq_core::schedule::{Cron, JobTemplate, MAX_CATCH_UP, Progress, Schedule, When, Zone};
use naq_core::{Codec, Envelope, JobId, Payload, QueueName, ScheduleName, TaskName, Timestamp};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

fn zone(name: &str) -> Zone {
    name.parse().expect("a zone")
}

fn schedule(when: When) -> Schedule {
    let task = TaskName::new("report").expect("a task");
    let now = at("2026-01-01T00:00:00Z");
    let args = Payload::null(Codec::Json);
    let job = Envelope::new(QueueName::default(), JobId::random(), task, args, now);
    let name = ScheduleName::new("nightly").expect("a name");
    Schedule::new(name, when, JobTemplate::new(job).expect("a template"), now)
}

fn cron(text: &str) -> Cron {
    text.parse().unwrap_or_else(|err| panic!("{text}: {err}"))
}

/// The next moments, as clocks in the zone show them.
fn shown(expression: &str, zone: &Zone, after: &str, n: usize) -> Vec<String> {
    let (cron, mut last) = (cron(expression), at(after));
    (0..n)
        .map(|_| {
            last = cron.next_after(last, zone).expect("it comes");
            zone.local(last)[4..].to_owned()
        })
        .collect()
}

#[test]
fn every_form_of_cron_ticks_at_its_times() {
    let utc = Zone::default();
    for (text, after, expected) in [
        ("*/15 * * * *", "2026-03-02T10:07:00Z", "2026-03-02T10:15:00Z"),
        ("0 3 * * *", "2026-03-02T03:00:00Z", "2026-03-03T03:00:00Z"),
        ("0 3 * * *", "2026-03-02T02:59:59.999Z", "2026-03-02T03:00:00Z"),
        ("30 9-17/4 * * 1-5", "2026-03-06T17:30:00Z", "2026-03-09T09:30:00Z"),
        ("0 0 1,15 * *", "2026-03-02T00:00:00Z", "2026-03-15T00:00:00Z"),
        ("0 12 * JAN,Jul mon", "2026-03-02T00:00:00Z", "2026-07-06T12:00:00Z"),
        ("0 0 * * 7", "2026-03-02T00:00:00Z", "2026-03-08T00:00:00Z"),
        ("0 0 * * 0", "2026-03-02T00:00:00Z", "2026-03-08T00:00:00Z"),
        // Either day fits, as in every cron.
        ("0 0 13 * FRI", "2026-03-02T00:00:00Z", "2026-03-06T00:00:00Z"),
        ("0 0 29 2 *", "2026-03-02T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 0 L * *", "2026-02-02T00:00:00Z", "2026-02-28T00:00:00Z"),
        ("0 12 * * MON#1", "2026-03-03T00:00:00Z", "2026-04-06T12:00:00Z"),
        // Six fields: seconds first.
        ("*/10 * * * * *", "2026-03-02T00:00:05.250Z", "2026-03-02T00:00:10Z"),
        ("15 30 2 * * *", "2026-03-02T02:30:15Z", "2026-03-03T02:30:15Z"),
        ("@hourly", "2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z"),
        ("@daily", "2026-03-02T10:00:00Z", "2026-03-03T00:00:00Z"),
        ("@midnight", "2026-03-02T10:00:00Z", "2026-03-03T00:00:00Z"),
        ("@weekly", "2026-03-02T10:00:00Z", "2026-03-08T00:00:00Z"),
        ("@monthly", "2026-03-02T10:00:00Z", "2026-04-01T00:00:00Z"),
        ("@yearly", "2026-03-02T10:00:00Z", "2027-01-01T00:00:00Z"),
    ] {
        assert_eq!(cron(text).next_after(at(after), &utc), Some(at(expected)), "{text}");
    }
}

#[test]
fn an_invalid_cron_expression_is_refused_with_the_reason() {
    let long = "1,".repeat(200);
    for bad in [
        "",
        "* * * *",
        "* * * * * * *",
        "61 * * * *",
        "* 24 * * *",
        "0 0 32 * *",
        "a b c d e",
        "*/0 * * * *",
        "5-1 * * * *x",
        "@reboot",
        "@every 5m",
        "\u{1b}[2J * * * *",
        &long,
    ] {
        let err = bad.parse::<Cron>().expect_err(bad).to_string();
        assert!(err.contains("cron") && err.len() < 500 && !err.contains('\u{1b}'), "{err}");
    }
    // A date that never comes is found when the schedule is checked.
    let err = schedule(When::Cron(cron("0 0 30 2 *"))).check().expect_err("never").to_string();
    assert!(err.contains("never comes"), "{err}");
}

#[test]
fn in_spring_a_fixed_time_comes_after_the_gap_and_an_interval_leaves_it_out() {
    // On 29 March 2026 clocks in Berlin go from 02:00 CET to 03:00 CEST.
    let (berlin, before) = (zone("Europe/Berlin"), "2026-03-28T22:00:00Z");
    for (text, expected) in [
        ("30 2 * * *", ["03-29 03:00:00 CEST", "03-30 02:30:00 CEST"]),
        // Two times that are both skipped are one run.
        ("0,30 2 * * *", ["03-29 03:00:00 CEST", "03-30 02:00:00 CEST"]),
        // One that comes then anyway comes once.
        ("30 2,3 * * 0", ["03-29 03:00:00 CEST", "03-29 03:30:00 CEST"]),
        ("0 3 * * *", ["03-29 03:00:00 CEST", "03-30 03:00:00 CEST"]),
        ("15 30 2 * * *", ["03-29 03:00:00 CEST", "03-30 02:30:15 CEST"]),
        ("*/40 1-3 * * *", ["03-29 01:00:00 CET", "03-29 01:40:00 CET"]),
        ("@daily", ["03-29 00:00:00 CET", "03-30 00:00:00 CEST"]),
    ] {
        let shown = shown(text, &berlin, before, 2);
        let dates: Vec<_> = shown.iter().map(|s| s.trim_start_matches("2026-")).collect();
        assert_eq!(dates, expected, "{text}");
    }
    let hours = shown("0 * * * *", &berlin, "2026-03-28T23:30:00Z", 3);
    assert_eq!(
        hours,
        ["2026-03-29 01:00:00 CET", "2026-03-29 03:00:00 CEST", "2026-03-29 04:00:00 CEST"]
    );
    // Within the hour that is skipped it is not made up for.
    let minutes = shown("*/30 2 * * *", &berlin, "2026-03-28T23:30:00Z", 1);
    assert_eq!(minutes, ["2026-03-30 02:00:00 CEST"]);
}

#[test]
fn in_autumn_a_fixed_time_comes_once_and_an_interval_twice() {
    // On 25 October 2026 clocks in Berlin go from 03:00 CEST back to 02:00 CET.
    let (berlin, before) = (zone("Europe/Berlin"), "2026-10-24T22:30:00Z");
    for (text, expected) in [
        ("30 2 * * *", ["10-25 02:30:00 CEST", "10-26 02:30:00 CET"]),
        ("0,30 2 * * *", ["10-25 02:00:00 CEST", "10-25 02:30:00 CEST"]),
        ("0 3 * * *", ["10-25 03:00:00 CET", "10-26 03:00:00 CET"]),
        ("*/30 2 * * *", ["10-25 02:00:00 CEST", "10-25 02:30:00 CEST"]),
    ] {
        let shown = shown(text, &berlin, before, 2);
        let dates: Vec<_> = shown.iter().map(|s| s.trim_start_matches("2026-")).collect();
        assert_eq!(dates, expected, "{text}");
    }
    // From within the second half the first is not seen again.
    let inside = "2026-10-25T01:10:00Z";
    assert_eq!(shown("30 2 * * *", &berlin, inside, 1), ["2026-10-26 02:30:00 CET"]);
    assert_eq!(
        shown("0 * * * *", &berlin, "2026-10-24T23:30:00Z", 3),
        ["2026-10-25 02:00:00 CEST", "2026-10-25 02:00:00 CET", "2026-10-25 03:00:00 CET"]
    );
    let twice = shown("*/30 2 * * *", &berlin, before, 5);
    assert_eq!(twice[2], "2026-10-25 02:00:00 CET");
    assert_eq!(twice[4], "2026-10-26 02:00:00 CET");
}

#[test]
fn midnight_comes_also_where_clocks_skip_it_or_a_whole_day() {
    // Clocks in Santiago go from 24:00 to 01:00, and on Samoa there was no 30 December 2011.
    let santiago = shown("@daily", &zone("America/Santiago"), "2026-09-05T12:00:00Z", 2);
    assert_eq!(santiago[0][..19], *"2026-09-06 01:00:00");
    assert_eq!(santiago[1][..19], *"2026-09-07 00:00:00");
    let apia = shown("30 12 * * *", &zone("Pacific/Apia"), "2011-12-29T23:00:00Z", 2);
    assert_eq!(apia[0][..19], *"2011-12-31 00:00:00");
    assert_eq!(apia[1][..19], *"2011-12-31 12:30:00");
}

#[test]
fn ticks_of_a_year_are_the_same_from_any_start_time() {
    for name in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"] {
        for text in ["30 2 * * *", "17 */5 * * *", "0,45 1-3 * * *", "@hourly"] {
            let mut schedule = schedule(When::Cron(cron(text)));
            schedule.time_zone = zone(name);
            let (from, until) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
            let mut last = from;
            let mut year = Vec::new();
            while let Some(tick) = schedule.next_after(last).filter(|tick| *tick <= until) {
                assert!(tick > last, "{name} {text}");
                year.push(tick);
                last = tick;
            }
            // From a moment before, at and after each of them.
            for pair in year.windows(2).step_by(7) {
                for ms in [-1i64, 0, 1, 59_999] {
                    let after = pair[0].as_millis().saturating_add_signed(ms);
                    let expected = if ms < 0 { pair[0] } else { pair[1] };
                    let found = schedule.next_after(Timestamp::from_millis(after));
                    assert_eq!(found, Some(expected), "{name} {text} {after}");
                }
            }
            let last: Vec<_> = year.iter().rev().take(MAX_CATCH_UP).rev().copied().collect();
            assert_eq!(schedule.ticks(from, until), last, "{name} {text}");
        }
    }
}

#[test]
fn an_interval_counts_from_its_start_and_never_drifts() {
    let mut hourly = schedule(When::Every(Duration::from_secs(3600)));
    let next = |s: &Schedule, after: &str| s.next_after(at(after)).map(|t| t.to_string());
    // Made at midnight, so its first tick is at one.
    assert_eq!(next(&hourly, "2025-06-01T00:00:00Z").as_deref(), Some("2026-01-01T01:00:00.000Z"));
    assert_eq!(next(&hourly, "2026-01-01T05:59:59Z").as_deref(), Some("2026-01-01T06:00:00.000Z"));
    assert_eq!(next(&hourly, "2026-01-01T06:00:00Z").as_deref(), Some("2026-01-01T07:00:00.000Z"));
    hourly.start = Some(at("2026-01-01T00:20:00Z"));
    assert_eq!(next(&hourly, "2025-06-01T00:00:00Z").as_deref(), Some("2026-01-01T00:20:00.000Z"));
    assert_eq!(next(&hourly, "2026-01-01T00:20:00Z").as_deref(), Some("2026-01-01T01:20:00.000Z"));
    // A day of 24 hours, also when clocks change.
    let mut daily = schedule(When::Every(Duration::from_secs(86_400)));
    daily.time_zone = zone("Europe/Berlin");
    daily.start = Some(at("2026-03-28T02:00:00Z"));
    assert_eq!(next(&daily, "2026-03-28T02:00:00Z").as_deref(), Some("2026-03-29T02:00:00.000Z"));
}

#[test]
fn start_end_and_count_are_the_first_and_the_last_of_it() {
    let mut hourly = schedule(When::Cron(cron("@hourly")));
    hourly.start = Some(at("2026-01-01T02:00:00Z"));
    hourly.end = Some(at("2026-01-01T04:00:00Z"));
    let ticks = hourly.ticks(at("2025-12-31T00:00:00Z"), at("2026-01-02T00:00:00Z"));
    let hours: Vec<_> = ticks.iter().map(|t| t.to_string()[11..13].to_owned()).collect();
    assert_eq!(hours, ["02", "03", "04"]);

    hourly.max_runs = Some(2);
    let mut progress = Progress::new(at("2026-01-01T00:00:00Z"));
    let upcoming = |p: &Progress| hourly.upcoming(p, at("2026-01-01T00:00:00Z"), 5).len();
    assert_eq!((upcoming(&progress), hourly.is_finished(&progress)), (2, false));
    progress.runs = 2;
    assert_eq!((upcoming(&progress), hourly.is_finished(&progress)), (0, true));
}

#[test]
fn jitter_stays_in_its_band_and_is_the_same_everywhere() {
    let mut hourly = schedule(When::Cron(cron("@hourly")));
    hourly.jitter = Duration::from_secs(600);
    let upcoming = hourly.upcoming(&Progress::new(hourly.created_at), hourly.created_at, 200);
    let late: Vec<u64> = upcoming.iter().map(|t| t.starts_at.since(t.at).as_secs()).collect();
    assert!(late.iter().all(|s| *s <= 600));
    assert!(late.iter().any(|s| *s < 60) && late.iter().any(|s| *s > 540), "{late:?}");
    // A vector for other programs: the id of the run seeds it.
    let tick = hourly.tick(at("2026-11-24T03:00:00Z"));
    assert_eq!(hourly.run_key(tick.at).to_string(), "default/nightly-20261124T030000Z");
    assert_eq!(tick.starts_at, hourly.tick(tick.at).starts_at);
    let half = at("2026-11-24T03:00:00.250Z");
    assert_eq!(hourly.run_key(half).id.as_str(), "nightly-20261124T030000250Z");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let hourly = || schedule(When::Cron(cron("@hourly")));
    let every = |ms| schedule(When::Every(Duration::from_millis(ms)));
    for (bad, part) in [
        (every(199), "200ms"),
        (every(3_651 * 86_400_000), "3650d"),
        (Schedule { max_runs: Some(0), ..hourly() }, "max_runs"),
        (Schedule { jitter: Duration::MAX, ..hourly() }, "jitter"),
        (Schedule { start_within: Some(Duration::ZERO), ..hourly() }, "start_within"),
        (
            Schedule {
                start: Some(at("2026-01-02T00:00:00Z")),
                end: Some(at("2026-01-01T00:00:00Z")),
                ..hourly()
            },
            "before it starts",
        ),
        (
            Schedule {
                start: Some(at("2026-01-01T00:01:00Z")),
                end: Some(at("2026-01-01T00:02:00Z")),
                ..hourly()
            },
            "never comes",
        ),
    ] {
        let err = bad.check().expect_err(part).to_string();
        assert!(err.contains(part), "{err}");
    }
    assert!(every(200).check().is_ok());
}
