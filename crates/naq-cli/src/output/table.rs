//! Tables for people, without frames: they are readable at 80 columns and easy for `grep` and `awk`.

use std::io::{self, IsTerminal};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;
use terminal_size::{Width, terminal_size_of};

use super::{BOLD, DIM, paint};
use crate::text::{printable, printable_lines};

/// A value that is one line of a table.
pub(crate) trait TableRow: Serialize {
    /// The columns. A name that begins with `>` marks a column of numbers, aligned to the right. One
    /// that begins with `~` marks a column of prose, which is wrapped in a narrow window.
    const COLUMNS: &'static [&'static str];
    /// The columns that a narrow window leaves out, in the order in which they go. A line below the
    /// table names them.
    const LEFT_OUT: &'static [&'static str] = &[];
    /// The note on stderr when the list is empty.
    const NONE: &'static str;

    /// One text per column. The table escapes unprintable characters.
    fn cells(&self) -> Vec<String>;
}

/// The table as text, in the width of the window.
pub(crate) fn render<T: TableRow>(rows: &[T]) -> String {
    // Wrapped to the window on a terminal, whole lines otherwise.
    lines(rows, window()).join("\n")
}

/// The header and the rows. Without a width, each is one line.
pub(crate) fn lines<T: TableRow>(rows: &[T], width: Option<u16>) -> Vec<String> {
    let columns: Vec<TableColumn> = T::COLUMNS.iter().map(|name| TableColumn::read(name)).collect();
    let cells: Vec<Vec<String>> = rows.iter().map(|row| safe_cells(row.cells())).collect();
    let left_out = width.map(|width| left_out::<T>(&columns, &cells, width)).unwrap_or_default();
    let shown: Vec<usize> =
        (0..columns.len()).filter(|at| !left_out.contains(&columns[*at].name)).collect();

    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.set_header(shown.iter().map(|at| columns[*at].name));
    for row in &cells {
        table.add_row(shown.iter().map(|at| row[*at].as_str()));
    }
    for (index, at) in shown.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            let left = if index == 0 { 0 } else { 1 };
            column.set_padding((left, 1));
            if !columns[*at].is_prose {
                // Ids and names are copied, so they must not be wrapped.
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            if columns[*at].is_number {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    let mut lines: Vec<String> = table
        .lines()
        .enumerate()
        .map(|(index, line)| {
            let line = line.trim_end();
            if index == 0 { paint(BOLD, line) } else { line.to_owned() }
        })
        .collect();
    if !left_out.is_empty() {
        let names = left_out.join(", ");
        lines.push(paint(DIM, format_args!("not shown in this width: {names}; see -o json")));
    }
    lines
}

fn safe_cells(cells: Vec<String>) -> Vec<String> {
    cells.iter().map(|cell| printable(cell).into_owned()).collect()
}

/// What the marks before a column's name say.
struct TableColumn {
    name: &'static str,
    is_number: bool,
    is_prose: bool,
}

impl TableColumn {
    fn read(marked: &'static str) -> Self {
        Self {
            name: marked.trim_start_matches(['>', '~']),
            is_number: marked.starts_with('>'),
            is_prose: marked.starts_with('~'),
        }
    }

    /// The least width that the column needs: of prose, a few words.
    fn needs(&self, at: usize, cells: &[Vec<String>]) -> usize {
        let widest = cells.iter().map(|row| text_width(&row[at])).max().unwrap_or_default();
        let most = if self.is_prose { LEAST_PROSE } else { usize::MAX };
        widest.max(text_width(self.name)).min(most)
    }
}

/// The characters of prose that fit beside the other columns at least. Fewer would be a word a line.
const LEAST_PROSE: usize = 24;

fn text_width(text: &str) -> usize {
    text.chars().count()
}

/// The columns that have no room in a window of this width, in the order in which they went.
fn left_out<T: TableRow>(
    columns: &[TableColumn],
    cells: &[Vec<String>],
    width: u16,
) -> Vec<&'static str> {
    // A space on each side, but for the left edge.
    let needs = |at: usize| columns[at].needs(at, cells) + if at == 0 { 1 } else { 2 };
    let mut total: usize = (0..columns.len()).map(needs).sum();
    let mut left_out = Vec::new();
    for name in T::LEFT_OUT {
        if total <= usize::from(width) {
            break;
        }
        if let Some(at) = columns.iter().position(|column| column.name == *name) {
            total -= needs(at);
            left_out.push(*name);
        }
    }
    left_out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row;

    impl TableRow for Row {
        const COLUMNS: &'static [&'static str] =
            &["ID", "QUEUE", ">ATTEMPT", "WHEN", "~LAST ERROR"];
        const LEFT_OUT: &'static [&'static str] = &["QUEUE", "WHEN"];
        const NONE: &'static str = "none";

        fn cells(&self) -> Vec<String> {
            let error = "ConnectionError: the provider closed the connection before it answered";
            ["0198c0ffee0198c0ffee0198c0", "a-long-queue-name", "3/5", "in 12m30s", error]
                .map(str::to_owned)
                .to_vec()
        }
    }

    fn at(width: u16) -> String {
        anstream::adapter::strip_str(&lines(&[Row], Some(width)).join("\n")).to_string()
    }

    #[test]
    fn a_narrow_window_leaves_out_columns_in_the_order_of_their_importance() {
        insta::assert_snapshot!([200, 120, 80, 60].map(at).join("\n\n"), @r"
        ID                          QUEUE              ATTEMPT  WHEN       LAST ERROR
        0198c0ffee0198c0ffee0198c0  a-long-queue-name      3/5  in 12m30s  ConnectionError: the provider closed the connection before it answered

        ID                          QUEUE              ATTEMPT  WHEN       LAST ERROR
        0198c0ffee0198c0ffee0198c0  a-long-queue-name      3/5  in 12m30s  ConnectionError: the provider closed the connection
                                                                           before it answered

        ID                          ATTEMPT  WHEN       LAST ERROR
        0198c0ffee0198c0ffee0198c0      3/5  in 12m30s  ConnectionError: the provider
                                                        closed the connection before it
                                                        answered
        not shown in this width: QUEUE; see -o json

        ID                          ATTEMPT  LAST ERROR
        0198c0ffee0198c0ffee0198c0      3/5  ConnectionError: the
                                             provider closed the
                                             connection before it
                                             answered
        not shown in this width: QUEUE, WHEN; see -o json
        ");
    }

    #[test]
    fn no_line_is_wider_than_the_window_and_no_word_is_broken() {
        for width in [60, 80, 120, 200] {
            let table = at(width);
            assert!(table.lines().all(|line| line.chars().count() <= width.into()), "{table}");
            assert!(table.contains("provider"), "{table}");
        }
    }
}
