//! Reads a password from the terminal, which does not show it meanwhile.

use std::io::{self, BufRead};

use anyhow::{Context, Result};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use crate::exit::{CliError, ExitCode};
use crate::output::Output;

/// What the terminal sends for Ctrl-C.
const CTRL_C: u8 = 3;

/// Shows what is typed again when it is dropped.
struct HiddenInput {
    shown: Termios,
}

impl HiddenInput {
    fn begin() -> Result<Self> {
        let shown = tcgetattr(io::stdin()).context("cannot hide the password")?;
        let mut hidden = shown.clone();
        // Ctrl-C ends the line, and is no signal: a signal would end this process before the drop.
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        hidden.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)
            .context("cannot hide the password")?;
        Ok(Self { shown })
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        // The terminal may be gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.shown);
    }
}

/// Asks for one line.
///
/// # Errors
/// The terminal cannot be read. Ctrl-C is an error with the exit code 130.
pub(super) fn read(out: Output) -> Result<String> {
    let _hidden = HiddenInput::begin()?;
    out.note("password (it is not shown):")?;
    let mut stdin = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        let read = stdin.fill_buf().context("cannot read the password")?;
        let (length, is_end) = (read.len(), read.is_empty());
        line.extend_from_slice(read);
        stdin.consume(length);
        if line.contains(&CTRL_C) {
            return Err(CliError::new(ExitCode::Interrupted, "stopped: no user was added").into());
        }
        if is_end || line.ends_with(b"\n") {
            break;
        }
    }
    let line = String::from_utf8(line).context("the password is not UTF-8")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
