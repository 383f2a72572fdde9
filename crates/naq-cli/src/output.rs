//! The only place that prints. Data goes to stdout as a table, JSON or JSON lines; words to people
//! go to stderr. Whatever came out of a job passes through [`text`](crate::text) first.

mod json;
mod table;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use crate::exit;
use crate::text::{printable, printable_lines};

pub(crate) use table::{Details, TableRow, lines};

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON value; indented on a terminal.
    Json,
    /// One JSON value a line.
    Jsonl,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal; `NO_COLOR` and `CLICOLOR_FORCE` are respected.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Makes the choice hold for everything that is printed from here on.
    pub(crate) fn apply(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// Where a command's results go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
}

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();

/// `text` in `style`. Colours are taken out again where they do not belong.
pub(crate) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

impl Output {
    pub(crate) const fn new(format: Format) -> Self {
        Self { format }
    }

    /// How data is written.
    pub(crate) fn format(self) -> Format {
        self.format
    }

    /// A list of things: a table, an array, or a line each.
    pub(crate) fn list<T: TableRow>(self, rows: &[T]) -> Result<()> {
        match self.format {
            Format::Table if rows.is_empty() => self.note(T::NONE),
            Format::Table => self.raw(&table::render(rows)),
            Format::Json => self.raw(&json::text(&rows)?),
            Format::Jsonl => rows.iter().try_for_each(|row| self.line(row)),
        }
    }

    /// One thing: as JSON, or for people as `words` says it. Words may carry styles and have passed
    /// through `printable` where they need it.
    pub(crate) fn one<T: Serialize>(self, value: &T, words: impl FnOnce() -> String) -> Result<()> {
        match self.format {
            Format::Table => self.raw(&words()),
            Format::Json => self.raw(&json::text(value)?),
            Format::Jsonl => self.line(value),
        }
    }

    /// One value as one line of JSON, whatever the format.
    pub(crate) fn line<T: Serialize>(self, value: &T) -> Result<()> {
        self.raw(&json::line(value)?)
    }

    /// Text to stdout as it is, with a line break at its end.
    pub(crate) fn raw(self, text: &str) -> Result<()> {
        let mut out = anstream::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    /// Bytes to stdout.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        Ok(out.flush()?)
    }

    /// A word to people, on stderr, whatever the format.
    pub(crate) fn note(self, text: impl Display) -> Result<()> {
        let text = text.to_string();
        Ok(writeln!(anstream::stderr().lock(), "{}", printable_lines(&text))?)
    }

    /// An error, with what to do next. Nothing is left to do if even that fails.
    pub(crate) fn error(self, error: &anyhow::Error, next: Option<&str>) {
        let mut out = anstream::stderr().lock();
        let text = chain(error);
        let _ = writeln!(out, "{} {}", paint(RED, "error:"), printable_lines(&text));
        if let Some(next) = next {
            let _ = writeln!(out, " {} {}", paint(BOLD, "next:"), printable(next));
        }
    }

    /// What clap has to say: a help text, a version, a mistake in the arguments.
    pub(crate) fn clap(self, error: &clap::Error) -> exit::ExitCode {
        let plain = error.render().to_string();
        let safe = printable_lines(&plain);
        // An error here means that nobody reads.
        let _ =
            if safe == plain { error.print() } else { write!(anstream::stderr().lock(), "{safe}") };
        if error.use_stderr() { exit::ExitCode::Usage } else { exit::ExitCode::Ok }
    }

    /// Asks on a terminal. `None` where there is nobody to ask.
    pub(crate) fn confirm(self, question: &str) -> Result<Option<bool>> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(None);
        }
        write!(anstream::stderr().lock(), "{} [y/N] ", printable(question))?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(Some(matches!(answer.trim(), "y" | "Y" | "yes")))
    }
}

/// The error and its causes in one line; many repeat their cause in their own text.
fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
