//! Tables for people, without frames: they are readable at 80 columns and easy for `grep` and `awk`.

use std::io::{self, IsTerminal};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;
use terminal_size::{Width, terminal_size_of};

use super::{BOLD, paint};
use crate::text::{printable, printable_lines};

/// A value that is one line of a table.
pub(crate) trait TableRow: Serialize {
    /// The columns. A name that begins with `>` marks a column of numbers, aligned to the right. One
    /// that begins with `~` marks a column of prose, which is wrapped in a narrow window.
    const COLUMNS: &'static [&'static str];
    /// The note on stderr when the list is empty.
    const NONE: &'static str;

    /// One text per column. The table escapes unprintable characters.
    fn cells(&self) -> Vec<String>;
}

pub(super) fn render<T: TableRow>(rows: &[T]) -> String {
    // Wrapped to the window on a terminal, whole lines otherwise.
    lines(rows, window()).join("\n")
}

/// The header and the rows. Without a width, each is one line.
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
                // Ids and names are copied, so they must not be wrapped.
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

/// One value in detail: one line per field.
#[derive(Debug, Default)]
pub(crate) struct Details(Vec<(&'static str, String)>);

impl Details {
    /// Adds a field. The value may come from a job. Its further lines are indented.
    #[must_use]
    pub(crate) fn with(self, name: &'static str, value: impl ToString) -> Self {
        let value = value.to_string();
        self.styled(name, printable_lines(&value).into_owned())
    }

    /// Adds a field if there is a value.
    #[must_use]
    pub(crate) fn maybe(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a field whose text comes from NAQ and may contain styles.
    #[must_use]
    pub(crate) fn styled(mut self, name: &'static str, value: String) -> Self {
        self.0.push((name, value));
        self
    }

    /// Adds a styled field if there is a value.
    #[must_use]
    pub(crate) fn maybe_styled(self, name: &'static str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.styled(name, value),
            None => self,
        }
    }

    /// The text, one field per line.
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
