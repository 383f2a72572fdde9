//! Tables for people: no frames, so that they read well at 80 columns and survive `grep` and `awk`.

use std::io::{self, IsTerminal};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;
use terminal_size::{Width, terminal_size_of};

use super::{BOLD, paint};
use crate::text::{printable, printable_lines};

/// A thing that has a line in a table.
pub(crate) trait TableRow: Serialize {
    /// The columns. A name that begins with `>` is of a column of numbers, aligned to the right; one
    /// that begins with `~` is of prose, which is wrapped where the window is narrow.
    const COLUMNS: &'static [&'static str];
    /// What is said, on stderr, when there are none.
    const NONE: &'static str;

    /// One text a column; unprintable characters are taken care of later.
    fn cells(&self) -> Vec<String>;
}

pub(super) fn render<T: TableRow>(rows: &[T]) -> String {
    // Wrapped to the window, if there is one; whole lines for programs.
    lines(rows, window()).join("\n")
}

/// The header and the rows; each is one line when there is no width.
pub(crate) fn lines<T: TableRow>(rows: &[T], width: Option<u16>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.set_header(T::COLUMNS.iter().map(|name| name.trim_start_matches(['>', '~'])));
    for row in rows {
        table.add_row(row.cells().iter().map(|cell| printable(cell).into_owned()));
    }
    for (index, name) in T::COLUMNS.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            let left = if index == 0 { 0 } else { 1 };
            column.set_padding((left, 1));
            if !name.starts_with('~') {
                // What is to be copied stays in one piece.
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            if name.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table
        .lines()
        .enumerate()
        .map(|(index, line)| {
            let line = line.trim_end();
            if index == 0 { paint(BOLD, line) } else { line.to_owned() }
        })
        .collect()
}

fn window() -> Option<u16> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    terminal_size_of(&stdout).map(|(Width(width), _)| width.max(40))
}

/// One thing, a line for each of its sides.
#[derive(Debug, Default)]
pub(crate) struct Details(Vec<(&'static str, String)>);

impl Details {
    /// A side. The value may come from a job; further lines of it are indented.
    #[must_use]
    pub(crate) fn with(self, name: &'static str, value: impl ToString) -> Self {
        let value = value.to_string();
        self.styled(name, printable_lines(&value).into_owned())
    }

    /// A side that is left out when there is nothing to say.
    #[must_use]
    pub(crate) fn maybe(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// A side whose text is our own and may carry styles.
    #[must_use]
    pub(crate) fn styled(mut self, name: &'static str, value: String) -> Self {
        self.0.push((name, value));
        self
    }

    /// The same, left out when there is nothing to say.
    #[must_use]
    pub(crate) fn maybe_styled(self, name: &'static str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.styled(name, value),
            None => self,
        }
    }

    /// As text, one side a line.
    pub(crate) fn render(&self) -> String {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| {
                let name = paint(BOLD, format_args!("{name:width$}"));
                let value = value.replace('\n', &format!("\n{:indent$}", "", indent = width + 2));
                format!("{name}  {value}")
            })
            .collect();
        lines.join("\n")
    }
}
