//! A [`TopView`] as text. Pure.

use std::time::Duration;

use super::view::{TopView, TopWindow};
use crate::hold_words;
use crate::output::{BOLD, DIM, RED, TableRow, YELLOW, lines, paint};
use crate::text::{about, printable};

/// Lines of a table above its rows: an empty line and the header.
const ABOVE: usize = 2;

/// The text of one screen, with at most `height` lines if a height is given.
pub(super) fn text(view: &TopView, height: Option<usize>) -> String {
    let mut out = head(view);
    let needed = [view.queues.len(), view.tasks.len(), view.workers.len(), view.errors.len()];
    let needed = needed.map(|rows| rows.max(1));
    let room = height.map(|height| height.saturating_sub(out.len() + 1 + ABOVE * needed.len()));
    let [queues, tasks, workers, errors] = room.map_or(needed, |room| share(needed, room));
    table(&mut out, &view.queues, queues, |row| row.is_bad().then_some(RED));
    table(&mut out, &view.tasks, tasks, |row| row.is_bad().then_some(YELLOW));
    table(&mut out, &view.workers, workers, |row| row.is_bad().then_some(RED));
    table(&mut out, &view.errors, errors, |_| None);
    if let Some(height) = height {
        out.truncate(height.saturating_sub(1));
        let sort = format!("{:?}", view.sort).to_lowercase();
        let keys = "q quit  s starts  r retries  d dead  n name  w window";
        out.push(paint(DIM, format_args!("{keys}   (sorted by {sort})")));
    }
    out.join("\n")
}

/// How many rows of each table fit into `room` lines. Tables with enough rows get equally many. A table
/// that is cut needs one more line to say so.
fn share<const N: usize>(needed: [usize; N], room: usize) -> [usize; N] {
    let lines = |given: usize, needed: usize| if given < needed { given + 1 } else { needed };
    let mut given = [0; N];
    loop {
        let fits = |i: &usize| {
            let mut more = given;
            more[*i] += 1;
            let lines: usize = more.iter().zip(needed).map(|(more, n)| lines(*more, n)).sum();
            given[*i] < needed[*i] && lines <= room
        };
        match (0..N).filter(fits).min_by_key(|i| given[*i]) {
            Some(next) => given[next] += 1,
            None => return given,
        }
    }
}

fn head(view: &TopView) -> Vec<String> {
    let broker = printable(&view.broker).into_owned();
    let mut out = vec![format!("{}  {broker}  {}", paint(BOLD, "naq top"), view.at)];
    if let Some(problem) = &view.problem {
        let since = view
            .stale_since
            .map_or(String::new(), |since| format!(" for {}", about(view.at.since(since))));
        let words = format!("stale{since}: {}", printable(problem));
        out.push(paint(RED, words));
    }
    if let Some(rates) = &view.rates {
        out.push(format!(
            "now      {:.1} started/s, {:.1} completed/s, {:.1} failed/s, retry share {}",
            rates.started,
            rates.completed,
            rates.failed,
            percent(rates.retry_share),
        ));
    }
    out.push(of_window(&view.window));
    out.push(format!("         {}", view.window.retries));
    out.extend(view.storms.iter().map(|storm| paint(YELLOW, format_args!("storm    {storm}"))));
    out.extend(view.holds.iter().map(|hold| {
        let words = printable(&hold_words::words(hold, view.at)).into_owned();
        let next = printable(&hold_words::next_step(hold)).into_owned();
        format!("{} {}", paint(YELLOW, format_args!("held     {words};")), next)
    }));
    out
}

fn of_window(window: &TopWindow) -> String {
    let mut parts = vec![
        format!("{} started", window.started),
        format!("{} completed", window.completed),
        format!("{} retried", window.retried),
        format!("{} dead", window.dead),
    ];
    let rare =
        [(window.cancelled, "cancelled"), (window.expired, "expired"), (window.crashes, "crashes")];
    parts.extend(rare.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    parts.push(format!("retry share {}", percent(window.retry_share)));
    format!("{:<7}  {}", about(Duration::from_millis(window.ms)), parts.join(", "))
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{:.1} %", share * 100.0))
}

fn table<T: TableRow>(
    out: &mut Vec<String>,
    rows: &[T],
    room: usize,
    style: impl Fn(&T) -> Option<anstyle::Style>,
) {
    let shown = &rows[..rows.len().min(room)];
    out.push(String::new());
    let mut text = lines(shown, None).into_iter();
    out.extend(text.next());
    out.extend(text.zip(shown).map(|(line, row)| match style(row) {
        Some(style) => paint(style, line),
        None => line,
    }));
    if rows.is_empty() {
        out.push(paint(DIM, T::NONE));
    } else if rows.len() > shown.len() {
        out.push(paint(DIM, format_args!("{} more", rows.len() - shown.len())));
    }
}
