//! The terminal while `naq top` has it: another page, keys without Enter, and everything as it was
//! when it is dropped.

use std::io::{self, IsTerminal, Read};
use std::thread;

use anyhow::Result;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use terminal_size::{Height, terminal_size_of};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::view::Sort;
use crate::output::Output;

/// The other page, no cursor, and lines that are cut at the edge.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &[u8] = b"\x1b[?7h\x1b[?25h\x1b[?1049l";

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyPress {
    Quit,
    Sort(Sort),
    Window,
}

impl KeyPress {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            // Ctrl-C comes as a key: nobody but us puts the terminal back.
            b'q' | b'Q' | 3 => Self::Quit,
            b's' => Self::Sort(Sort::Starts),
            b'r' => Self::Sort(Sort::Retries),
            b'd' => Self::Sort(Sort::Dead),
            b'n' => Self::Sort(Sort::Name),
            b'w' => Self::Window,
            _ => return None,
        })
    }
}

#[derive(Debug)]
pub(super) struct Screen {
    out: Output,
    /// How the terminal was.
    before: Option<Termios>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// That of the terminal.
    pub(super) fn enter(out: Output) -> Result<(Self, UnboundedReceiver<KeyPress>)> {
        let stdin = io::stdin();
        let before = if stdin.is_terminal() { Some(tcgetattr(&stdin)?) } else { None };
        let (sender, keys) = unbounded_channel();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
            tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        }
        // From here on it is put back, whatever happens.
        let screen = Self { out, before };
        out.bytes(ENTER)?;
        thread::spawn(move || listen(&sender));
        Ok((screen, keys))
    }

    /// Shows these lines in place of what was there.
    ///
    /// # Errors
    /// That nobody reads.
    pub(super) fn draw(&self, text: &str) -> Result<()> {
        let choice = anstream::AutoStream::choice(&io::stdout());
        let text = if choice == anstream::ColorChoice::Never {
            anstream::adapter::strip_str(text).to_string()
        } else {
            text.to_owned()
        };
        let mut bytes = b"\x1b[H".to_vec();
        bytes.extend(text.replace('\n', "\x1b[K\r\n").bytes());
        bytes.extend(b"\x1b[K\x1b[J");
        self.out.bytes(&bytes)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing is left to do if even that fails.
        let _ = self.out.bytes(LEAVE);
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Lines of the window.
pub(super) fn height() -> Option<usize> {
    terminal_size_of(io::stdout()).map(|(_, Height(height))| usize::from(height).max(8))
}

/// Reads keys until the process ends. Without a keyboard it waits for a signal.
fn listen(keys: &UnboundedSender<KeyPress>) {
    let mut byte = [0];
    while let Ok(1) = io::stdin().read(&mut byte) {
        if let Some(key) = KeyPress::of(byte[0])
            && keys.send(key).is_err()
        {
            return;
        }
    }
    // Without the sender the receiver would see the end.
    thread::park();
}
