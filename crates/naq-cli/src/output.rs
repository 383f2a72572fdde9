//! [`Output`]: the only place that prints. Data goes to stdout as a table, JSON or JSON lines; notes
//! for people go to stderr. Text from a job passes through [`text`](crate::text) first.

mod json;
mod table;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use crate::connection_settings::LabelColor;
use crate::context::{self, ContextInUse};
use crate::exit;
use crate::text::{printable, printable_lines};

pub(crate) use table::{Details, TableRow, lines, render as render_table};

/// The format of the data on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// A table for people.
    #[default]
    Table,
    /// One JSON value, indented on a terminal.
    Json,
    /// One JSON value per line.
    Jsonl,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal. `NO_COLOR` and `CLICOLOR_FORCE` are respected.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Applies the choice to everything that is printed from now on.
    pub(crate) fn apply(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// Prints a command's results.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
}

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();

/// `text` in `style`. The output streams remove the colours again if they are not wanted.
pub(crate) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The name of the context in its colour, before a question.
fn context_label(context: &ContextInUse) -> String {
    let style = match context.color {
        LabelColor::Red => RED,
        LabelColor::Orange => YELLOW,
        LabelColor::Green => GREEN,
        LabelColor::Blue | LabelColor::Grey => BOLD,
    };
    paint(style, format_args!("[{}]", printable(&context.name))) + " "
}

impl Output {
    pub(crate) const fn new(format: Format) -> Self {
        Self { format }
    }

    /// The format of the data.
    pub(crate) fn format(self) -> Format {
        self.format
    }

    /// Prints a list: a table, an array, or one JSON value per line.
    pub(crate) fn list<T: TableRow>(self, rows: &[T]) -> Result<()> {
        match self.format {
            Format::Table if rows.is_empty() => self.note(T::NONE),
            Format::Table => self.raw(&table::render(rows)),
            Format::Json => self.raw(&json::text(&rows)?),
            Format::Jsonl => rows.iter().try_for_each(|row| self.line(row)),
        }
    }

    /// Prints one value: as JSON, or for people as `words` returns it. The words may contain styles.
    /// The caller has passed text from jobs through `printable`.
    pub(crate) fn one<T: Serialize>(self, value: &T, words: impl FnOnce() -> String) -> Result<()> {
        match self.format {
            Format::Table => self.raw(&words()),
            Format::Json => self.raw(&json::text(value)?),
            Format::Jsonl => self.line(value),
        }
    }

    /// Prints one value as one line of JSON, in every format.
    pub(crate) fn line<T: Serialize>(self, value: &T) -> Result<()> {
        self.raw(&json::line(value)?)
    }

    /// Prints text to stdout unchanged, and a line break at its end.
    pub(crate) fn raw(self, text: &str) -> Result<()> {
        let mut out = anstream::stdout().lock();
        let print = || {
            out.write_all(text.as_bytes())?;
            if !text.ends_with('\n') {
                out.write_all(b"\n")?;
            }
            out.flush()
        };
        to_reader(print)
    }

    /// Prints bytes to stdout.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        to_reader(|| {
            out.write_all(bytes)?;
            out.flush()
        })
    }

    /// Prints a note for people to stderr, in every format. If the reader of stderr has closed it,
    /// the note is dropped.
    pub(crate) fn note(self, text: impl Display) -> Result<()> {
        let text = text.to_string();
        let printed = writeln!(anstream::stderr().lock(), "{}", printable_lines(&text));
        Ok(unless_closed(printed).map(drop)?)
    }

    /// Whether the reader of stdout has closed it, as `head` does.
    pub(crate) fn is_closed(self) -> bool {
        STDOUT_CLOSED.load(Ordering::Relaxed)
    }

    /// Prints an error, and what to do next. An error while printing is ignored: there is no other
    /// place to report it.
    pub(crate) fn error(self, error: &anyhow::Error, next: Option<&str>) {
        let mut out = anstream::stderr().lock();
        let text = chain(error);
        let _ = writeln!(out, "{} {}", paint(RED, "error:"), printable_lines(&text));
        if let Some(next) = next {
            let _ = writeln!(out, " {} {}", paint(BOLD, "next:"), printable(next));
        }
    }

    /// Prints what clap returned: a help text, a version, or a usage error.
    pub(crate) fn clap(self, error: &clap::Error) -> exit::ExitCode {
        let plain = error.render().to_string();
        let safe = printable_lines(&plain);
        // An error here means that the reader has closed the stream.
        let _ =
            if safe == plain { error.print() } else { write!(anstream::stderr().lock(), "{safe}") };
        if error.use_stderr() { exit::ExitCode::Usage } else { exit::ExitCode::Ok }
    }

    /// Whether there is a terminal to ask on.
    pub(crate) fn can_ask(self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks a yes/no question on the terminal. `None` without a terminal.
    pub(crate) fn confirm(self, question: &str) -> Result<Option<bool>> {
        if !self.can_ask() {
            return Ok(None);
        }
        let context = context::in_use().map(context_label).unwrap_or_default();
        write!(anstream::stderr().lock(), "{context}{} [y/N] ", printable(question))?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(Some(matches!(answer.trim(), "y" | "Y" | "yes")))
    }
}

/// Set when the reader of stdout has closed it.
static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Prints to stdout, unless its reader has closed it. A command goes on without a reader: it has work
/// to do, and its exit code says whether that is done.
fn to_reader(print: impl FnOnce() -> io::Result<()>) -> Result<()> {
    if !STDOUT_CLOSED.load(Ordering::Relaxed) && unless_closed(print())?.is_none() {
        STDOUT_CLOSED.store(true, Ordering::Relaxed);
    }
    Ok(())
}

/// `None` if the reader has closed the pipe. Other errors, such as a full disk, stay errors.
fn unless_closed(printed: io::Result<()>) -> io::Result<Option<()>> {
    match printed {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        other => other.map(Some),
    }
}

/// The error and its causes in one line. A cause that the text contains already is not repeated.
fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
