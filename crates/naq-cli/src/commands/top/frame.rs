//! A [`TopView`] as text. Pure: the same model is the same text.

use std::time::Duration;

use super::view::{TopView, TopWindow};
use crate::output::{BOLD, DIM, RED, TableRow, YELLOW, lines, paint};
use crate::text::{about, printable};

/// Lines of a table above its rows: an empty one, and its head.
const ABOVE: usize = 2;

/// The frame, at most so many lines high, if that matters.
pub(super) fn text(model: &TopView, height: Option<usize>) -> String {
    let mut out = head(model);
    let needed = [model.queues.len(), model.tasks.len(), model.workers.len(), model.errors.len()];
    let needed = needed.map(|rows| rows.max(1));
    let room = height.map(|height| height.saturating_sub(out.len() + 1 + ABOVE * needed.len()));
    let [queues, tasks, workers, errors] = room.map_or(needed, |room| share(needed, room));
    table(&mut out, &model.queues, queues, |row| row.is_bad().then_some(RED));
    table(&mut out, &model.tasks, tasks, |row| row.is_bad().then_some(YELLOW));
    table(&mut out, &model.workers, workers, |row| row.is_bad().then_some(RED));
    table(&mut out, &model.errors, errors, |_| None);
    if let Some(height) = height {
        out.truncate(height.saturating_sub(1));
        let sort = format!("{:?}", model.sort).to_lowercase();
        let keys = "q quit  s starts  r retries  d dead  n name  w window";
        out.push(paint(DIM, format_args!("{keys}   (sorted by {sort})")));
    }
    out.join("\n")
}

/// How many rows of each table there is room for: as many of one as of another, as long as both have
/// more. A table that is cut needs a line to say so.
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

fn head(model: &TopView) -> Vec<String> {
    let broker = printable(&model.broker).into_owned();
    let mut out = vec![format!("{}  {broker}  {}", paint(BOLD, "naq top"), model.at)];
    if let Some(problem) = &model.problem {
        let since = model
            .stale_since
            .map_or(String::new(), |since| format!(" for {}", about(model.at.since(since))));
        let words = format!("stale{since}: {}", printable(problem));
        out.push(paint(RED, words));
    }
    if let Some(rates) = &model.rates {
        out.push(format!(
            "now      {:.1} started/s, {:.1} completed/s, {:.1} failed/s, retry share {}",
            rates.started,
            rates.completed,
            rates.failed,
            percent(rates.retry_share),
        ));
    }
    out.push(of_window(&model.window));
    out.push(format!("         {}", model.window.retries));
    out.extend(model.storms.iter().map(|storm| paint(YELLOW, format_args!("storm    {storm}"))));
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
