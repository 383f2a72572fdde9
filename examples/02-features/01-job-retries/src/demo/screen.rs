//! [`Screen`]: where the programs print. Colours only on a terminal that supports them.

use std::fmt;
use std::io::Write;

use anstyle::{AnsiColor, Style};

/// Standard output, or no output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// Standard output. anstream removes the colours if the output is not a terminal.
    Terminal,
    /// Prints nothing: for tests.
    Silent,
}

pub(super) const STRONG: Style = Style::new().bold();
pub(super) const FAINT: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default();
pub(super) const AGAIN: Style = AnsiColor::Yellow.on_default();

impl Screen {
    /// Prints one line.
    pub fn line(self, text: impl fmt::Display) {
        if self == Self::Terminal {
            // The demo continues if the reader of the output has closed it (`| head`).
            let _ = writeln!(anstream::stdout(), "{text}");
        }
    }
}

/// Text in a style.
pub(super) fn styled(style: Style, text: impl fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
