//! [`NatsConnection`]: a minimal NATS client, for requests that NAQ itself never sends.

use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long one line may take.
const LINE_TIME: Duration = Duration::from_millis(500);
/// How long the server may take to read what was published.
const READ_TIME: Duration = Duration::from_secs(30);
/// How long a reply may take.
const REPLY_TIME: Duration = Duration::from_secs(2);

/// A connection that has read INFO and sent CONNECT. Its methods block.
#[derive(Debug)]
pub struct NatsConnection {
    info: String,
    stream: BufReader<TcpStream>,
}

impl NatsConnection {
    /// Connects to `host:port`. `options` are more fields of the CONNECT message, as JSON without
    /// braces.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or sends nothing for half a second.
    pub fn connect(address: &str, options: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LINE_TIME))?;
        let mut connection = Self { info: String::new(), stream: BufReader::new(stream) };
        connection.info = connection.line()?;
        let options =
            ["\"verbose\":false,\"headers\":true,\"no_responders\":true", options].join(",");
        let options = options.trim_end_matches(',');
        connection.send(&format!("CONNECT {{{options}}}\r\n"))?;
        Ok(connection)
    }

    /// The INFO line of the server.
    #[must_use]
    pub fn info(&self) -> &str {
        &self.info
    }

    /// Sends protocol text.
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub fn send(&mut self, text: &str) -> Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    /// Publishes a message byte for byte, with this block of headers unless it is empty. The server does
    /// not answer; a [`ping`](Self::ping) shows that it has read the message.
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub fn publish(&mut self, subject: &[u8], headers: &[u8], body: &[u8]) -> Result<()> {
        let (head, total) = (headers.len(), headers.len() + body.len());
        let mut bytes = if headers.is_empty() { b"PUB ".to_vec() } else { b"HPUB ".to_vec() };
        bytes.extend_from_slice(subject);
        let sizes =
            if headers.is_empty() { format!(" {total}") } else { format!(" {head} {total}") };
        for part in [sizes.as_bytes(), b"\r\n", headers, body, b"\r\n"] {
            bytes.extend_from_slice(part);
        }
        self.stream.get_mut().write_all(&bytes)
    }

    /// Reads one line; empty if the connection was closed.
    ///
    /// # Errors
    ///
    /// None arrives in time, or the connection is broken.
    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Sends a PING and reads one line.
    ///
    /// # Errors
    ///
    /// As for [`line`](Self::line).
    pub fn ping(&mut self) -> Result<String> {
        self.send("PING\r\n")?;
        self.line()
    }

    /// Waits until the server has read everything that was sent, and answers its own pings meanwhile.
    ///
    /// # Errors
    ///
    /// The server refuses a message, does not answer within half a minute, or closes the connection.
    pub fn wait_until_read(&mut self) -> Result<()> {
        self.stream.get_ref().set_read_timeout(Some(READ_TIME))?;
        self.send("PING\r\n")?;
        loop {
            match &*self.line()? {
                "PONG" => break,
                "PING" => self.send("PONG\r\n")?,
                line if line.starts_with("INFO") => {}
                line => return Err(Error::other(format!("expected PONG, got {line:?}"))),
            }
        }
        self.stream.get_ref().set_read_timeout(Some(LINE_TIME))
    }

    /// Sends a request to `subject` and returns the body of the reply.
    ///
    /// # Errors
    ///
    /// No reply within two seconds, the subject has no subscriber, or the connection is broken.
    pub fn request(&mut self, subject: &str, body: &str) -> Result<String> {
        self.stream.get_ref().set_read_timeout(Some(REPLY_TIME))?;
        let size = body.len();
        // All connections of an account share its subjects: another one may wait for a reply too.
        let inbox = crate::unique("in");
        let inbox = &*inbox;
        let ask =
            format!("SUB {inbox} 1\r\nUNSUB 1 1\r\nPUB {subject} {inbox} {size}\r\n{body}\r\n");
        self.send(&ask)?;
        loop {
            let head = self.line()?;
            match head.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["MSG", .., size] => {
                    let size: usize = size.parse().map_err(Error::other)?;
                    let mut body = vec![0; size + 2];
                    self.stream.read_exact(&mut body)?;
                    body.truncate(size);
                    return String::from_utf8(body).map_err(Error::other);
                }
                // The server answers a request that nothing subscribes to with a status, at once.
                ["HMSG", ..] => {
                    return Err(Error::other(format!("nothing subscribes to {subject}")));
                }
                ["PING"] => self.send("PONG\r\n")?,
                ["INFO", ..] | ["PONG"] => {}
                _ => return Err(Error::other(format!("expected a reply, got {head:?}"))),
            }
        }
    }
}
