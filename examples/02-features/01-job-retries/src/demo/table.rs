//! The table at the end: every job, expected beside observed. 80 columns, unless delays are long.

use super::screen::{BAD, FAINT, GOOD, STRONG, styled};
use super::{MeasuredWait, Row, Screen};

/// Width of a column for five delays of up to four digits.
const DELAYS_WIDTH: usize = 21;

/// Prints all rows, their differences, and a summary.
pub(super) fn show(screen: Screen, rows: &[Row]) {
    let lines: Vec<_> = rows.iter().map(RowText::of).collect();
    let width = |cell: fn(&RowText) -> &String| {
        lines.iter().map(|line| cell(line).len()).max().unwrap_or_default().max(DELAYS_WIDTH)
    };
    let (planned, measured) = (width(|line| &line.planned), width(|line| &line.measured));
    let heads = format!(
        "  {:<14}want got  {:<planned$} {:<measured$} ended",
        "job", "planned, ms", "measured, ms"
    );
    screen.line("\nevery job: its attempts, expected and actual, and the waits between them");
    screen.line(styled(FAINT, heads));
    let mut program = "";
    for (row, line) in rows.iter().zip(&lines) {
        if row.program != program {
            program = row.program;
            screen.line(styled(STRONG, program));
        }
        let differences = row.differences();
        let mark = if differences.is_empty() { styled(GOOD, "✓") } else { styled(BAD, "✗") };
        screen.line(format_args!(
            "{mark} {:<14}{:>4} {:>3}  {:<planned$} {:<measured$} {}",
            row.name, line.want, line.got, line.planned, line.measured, line.ended
        ));
        for difference in differences {
            screen.line(format_args!("    {}", styled(BAD, difference)));
        }
    }
    screen.line(format_args!("\n{}", summary(rows)));
}

/// A row as text.
struct RowText {
    want: u32,
    got: u32,
    planned: String,
    measured: String,
    ended: &'static str,
}

impl RowText {
    fn of(row: &Row) -> Self {
        let seen = row.observed.as_ref();
        let waits = seen.map_or(&[][..], |seen| &seen.waits);
        Self {
            want: row.expected.attempts(),
            got: seen.map_or(0, |seen| seen.attempts),
            planned: planned(waits),
            measured: measured(waits),
            ended: seen.map_or("unknown", |seen| seen.state.as_str()),
        }
    }
}

/// `400 1000 2000`, equal ones `12 x 200`.
fn planned(waits: &[MeasuredWait]) -> String {
    let millis = || waits.iter().map(|wait| wait.planned.as_millis());
    match millis().next() {
        Some(first) if waits.len() > 2 && millis().all(|ms| ms == first) => {
            format!("{} x {first}", waits.len())
        }
        _ => list(millis()),
    }
}

/// `1104 1031`, many `12 x 210-440`.
fn measured(waits: &[MeasuredWait]) -> String {
    let millis = || waits.iter().map(|wait| wait.measured.as_millis());
    match (millis().min(), millis().max()) {
        (Some(min), Some(max)) if waits.len() > 5 => format!("{} x {min}-{max}", waits.len()),
        _ => list(millis()),
    }
}

fn list(millis: impl Iterator<Item = u128>) -> String {
    millis.map(|ms| ms.to_string()).collect::<Vec<_>>().join(" ")
}

fn summary(rows: &[Row]) -> String {
    let expected = rows.iter().filter(|row| row.differences().is_empty()).count();
    let waits = || rows.iter().filter_map(|row| row.observed.as_ref()).flat_map(|seen| &seen.waits);
    let early = waits().filter(|wait| wait.measured < wait.planned).count();
    let latest = waits().map(MeasuredWait::lateness).max().unwrap_or_default();
    let result = format!("{expected} of {} jobs ended as expected", rows.len());
    let style = if expected == rows.len() { GOOD } else { BAD };
    let early = if early == 0 { "none early".to_owned() } else { format!("{early} EARLY") };
    let late = latest.as_millis();
    format!("{}; {} waits, {early}, {late} ms late at most", styled(style, result), waits().count())
}
