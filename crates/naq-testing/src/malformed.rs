//! Messages that a producer can store with a few bytes of the NATS protocol, and that a client may not be
//! able to parse.

/// A malformed message. The broker accepts and stores it.
#[derive(Debug, Clone, Copy)]
pub struct Malformed {
    /// What is wrong with it.
    pub name: &'static str,
    /// The end of its subject.
    pub subject: &'static [u8],
    /// Its headers, as one block.
    pub headers: &'static [u8],
    /// What the client async-nats does when it is delivered.
    pub client: ClientReaction,
}

impl Malformed {
    /// Whether a client cannot read it from a stream. The broker stores a message without its status line.
    #[must_use]
    pub fn is_unreadable_when_stored(&self) -> bool {
        self.client != Reads && !self.name.starts_with("status-")
    }
}

/// What a client does with a malformed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientReaction {
    /// It hands the message on.
    Reads,
    /// It closes the connection and opens another one.
    Reconnects,
    /// Its task panics. The client never works again.
    Ends,
}

use ClientReaction::{Ends, Reads, Reconnects};

const fn header(name: &'static str, headers: &'static [u8], client: ClientReaction) -> Malformed {
    Malformed { name, subject: b"", headers, client }
}

const fn subject(name: &'static str, subject: &'static [u8], client: ClientReaction) -> Malformed {
    Malformed { name, subject, headers: b"NATS/1.0\r\nA: 1\r\n\r\n", client }
}

/// One message of each kind.
pub const MALFORMED: &[Malformed] = &[
    header("cr-in-value", b"NATS/1.0\r\nA: 1\r2\r\n\r\n", Ends),
    header("cr-in-second-value", b"NATS/1.0\r\nA: 1\r\nB: x\ry\r\n\r\n", Ends),
    header("cr-in-folded-value", b"NATS/1.0\r\nA: 1\r\n 2\r3\r\n\r\n", Ends),
    header("lf-in-value", b"NATS/1.0\r\nA: 1\n2\r\n\r\n", Reconnects),
    header("lf-makes-a-header", b"NATS/1.0\r\nA: 1\nB: 2\r\n\r\n", Reads),
    header("lf-lines", b"NATS/1.0\nA: 1\n\n", Reads),
    header("not-utf-8", b"NATS/1.0\r\nA: \xff\xfe\r\n\r\n", Reconnects),
    header("no-colon", b"NATS/1.0\r\nA\r\n\r\n", Reconnects),
    header("no-name", b"NATS/1.0\r\n: 1\r\n\r\n", Reads),
    header("space-in-name", b"NATS/1.0\r\nA b: 1\r\n\r\n", Reconnects),
    header("control-in-name", b"NATS/1.0\r\nA\x01: 1\r\n\r\n", Reconnects),
    header("nul-in-value", b"NATS/1.0\r\nA: \0\r\n\r\n", Reads),
    header("another-version", b"NATS/2.0\r\nA: 1\r\n\r\n", Reconnects),
    header("no-version", b"A: 1\r\n\r\n", Reconnects),
    header("status-in-words", b"NATS/1.0 abc\r\n\r\n", Reconnects),
    header("status-of-two-digits", b"NATS/1.0 99\r\n\r\n", Reconnects),
    header("status-503", b"NATS/1.0 503 No\r\n\r\n", Reads),
    header("status-100", b"NATS/1.0 100 Idle Heartbeat\r\n\r\n", Reads),
    header("no-end", b"NATS/1.0\r\nA: 1", Reads),
    header("one-byte", b"x", Reconnects),
    header("line-breaks-only", b"\r\n\r\n", Reconnects),
    subject("subject-not-utf-8", b"\xff", Reconnects),
    subject("no-break-space-in-subject", "a\u{a0}b".as_bytes(), Reconnects),
    subject("vertical-tab-in-subject", b"a\x0bb", Reconnects),
    subject("letters-in-subject", "\u{e4}".as_bytes(), Reads),
];
