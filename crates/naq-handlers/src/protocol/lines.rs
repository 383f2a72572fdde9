//! [`Lines`]: the lines of a stream that arrives in pieces.

use bytes::{Buf, Bytes, BytesMut};

/// The longest line of an answer. A result may have 64 MiB (`--large-results store`); the rest is for
/// the object around it.
pub(crate) const MAX_LINE: usize = 65 << 20;

/// A line is longer than [`MAX_LINE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line of the answer has more than {MAX_LINE} bytes")]
pub(crate) struct TooLong;

/// Splits a stream into its lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: BytesMut,
    /// How much of the buffer has no line end.
    searched: usize,
}

impl Lines {
    /// The next piece of the stream.
    ///
    /// # Errors
    /// [`TooLong`], and then the stream cannot be read further.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), TooLong> {
        self.buffer.extend_from_slice(piece);
        let is_long = self.buffer.len() > MAX_LINE && !piece.contains(&b'\n');
        if is_long { Err(TooLong) } else { Ok(()) }
    }

    /// The next line, without its end. None while it is not complete.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let line = self.buffer.split_to(self.searched + end).freeze();
        self.buffer.advance(1);
        self.searched = 0;
        Some(line)
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// What came after the last line end.
    pub(crate) fn rest(self) -> Bytes {
        self.buffer.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_complete_however_their_pieces_arrive() {
        let text = b"one\n\ntwo\nhalf";
        for size in 1..=text.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for piece in text.chunks(size) {
                lines.push(piece).expect("short");
                while let Some(line) = lines.next() {
                    found.push(line);
                }
            }
            assert_eq!(found, ["one", "", "two"], "pieces of {size} bytes");
            assert_eq!(lines.rest(), "half");
        }
    }

    #[test]
    fn a_line_without_end_is_not_stored_for_ever() {
        let (mut lines, piece) = (Lines::default(), vec![b'x'; 1 << 20]);
        let pushed = (0..66).try_for_each(|_| lines.push(&piece));
        assert_eq!(pushed, Err(TooLong));
    }
}
