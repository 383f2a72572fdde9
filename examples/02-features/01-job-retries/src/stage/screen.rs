//! [`Screen`]: where the story is told. Colours only on a terminal that wants them.

use std::fmt;
use std::io::Write;

use anstyle::{AnsiColor, Style};

/// Standard output, or nothing at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// Standard output; anstream takes the colours out where they do not belong.
    Terminal,
    /// Says nothing: for tests.
    Silent,
}

pub(super) const STRONG: Style = Style::new().bold();
pub(super) const FAINT: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default();
pub(super) const AGAIN: Style = AnsiColor::Yellow.on_default();

impl Screen {
    /// One line.
    pub fn line(self, text: impl fmt::Display) {
        if self == Self::Terminal {
            // A reader that went away (`| head`) is no reason to fail.
            let _ = writeln!(anstream::stdout(), "{text}");
        }
    }
}

/// Text in a style.
pub(super) fn styled(style: Style, text: impl fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
