//! A line that moves while long work goes on, where somebody watches.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How much of an unknown amount is done. Nothing is drawn unless stderr is a terminal.
#[derive(Debug)]
pub(crate) struct ProgressLine(ProgressBar);

impl ProgressLine {
    /// Begins; `what` is the verb in the past tense.
    pub(crate) fn new(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} {msg} {human_pos} ({per_sec})")
            {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        bar.set_message(what);
        Self(bar)
    }

    /// One more.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    /// Lets something else be written meanwhile.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }

    /// Done: the line goes.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
