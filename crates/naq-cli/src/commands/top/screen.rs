//! [`Screen`]: the terminal in full-screen mode. Keys work without Enter. A drop restores the terminal.

use std::io::{self, IsTerminal, Read};
use std::thread;

use anyhow::Result;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use terminal_size::{Height, terminal_size_of};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::view::Sort;
use crate::output::Output;

/// Switches to the alternate screen, hides the cursor, and turns line wrapping off.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &[u8] = b"\x1b[?7h\x1b[?25h\x1b[?1049l";

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyPress {
    Quit,
    Sort(Sort),
    Window,
}

impl KeyPress {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            // Ctrl-C arrives as a key, not as a signal, so that the terminal is restored.
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
    /// The settings of the terminal before.
    before: Option<Termios>,
}

impl Screen {
    /// Switches the terminal to full-screen mode.
    ///
    /// # Errors
    /// The terminal refuses a setting.
    pub(super) fn enter(out: Output) -> Result<(Self, UnboundedReceiver<KeyPress>)> {
        let stdin = io::stdin();
        let before = if stdin.is_terminal() { Some(tcgetattr(&stdin)?) } else { None };
        let (sender, keys) = unbounded_channel();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
            tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        }
        // From here on the drop restores the terminal, also after an error.
        let screen = Self { out, before };
        out.bytes(ENTER)?;
        thread::spawn(move || listen(&sender));
        Ok((screen, keys))
    }

    /// Replaces the content of the screen with `text`.
    ///
    /// # Errors
    /// Stdout is closed.
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
        // An error is ignored: there is no terminal left to restore.
        let _ = self.out.bytes(LEAVE);
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// The height of the terminal in lines.
pub(super) fn height() -> Option<usize> {
    terminal_size_of(io::stdout()).map(|(_, Height(height))| usize::from(height).max(8))
}

/// Reads keys until the process ends. When stdin is closed, only a signal can end `naq top`.
fn listen(keys: &UnboundedSender<KeyPress>) {
    let mut byte = [0];
    while let Ok(1) = io::stdin().read(&mut byte) {
        if let Some(key) = KeyPress::of(byte[0])
            && keys.send(key).is_err()
        {
            return;
        }
    }
    // The thread keeps the sender. If it were dropped, the receiver would treat that as a quit.
    thread::park();
}
