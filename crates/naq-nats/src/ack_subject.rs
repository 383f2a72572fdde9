//! [`AckSubject`]: the reply subject of a delivery, which says where the message is and how often it was
//! delivered.

use crate::subjects::CONSUMER;

/// The numbers in the reply subject of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AckSubject {
    /// How often the message was delivered, this time included.
    pub(crate) delivered: u32,
    /// Its sequence in the stream.
    pub(crate) seq: u64,
    /// The number of this delivery among all of this consumer, from 1.
    pub(crate) consumer_seq: u64,
    /// When it was stored, in nanoseconds since the epoch.
    pub(crate) stored_ns: u64,
}

impl AckSubject {
    /// The short form. The broker reads both.
    pub(crate) fn to_subject(self, stream: &str) -> String {
        let Self { delivered, seq, consumer_seq, stored_ns } = self;
        format!("$JS.ACK.{stream}.{CONSUMER}.{delivered}.{seq}.{consumer_seq}.{stored_ns}.0")
    }

    /// Reads both forms: `$JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<cseq>.<ts>.<pending>`, and
    /// the same with `<domain>.<account>` before the stream and possibly one more token at the end.
    pub(crate) fn parse(reply: &str) -> Option<Self> {
        let tokens: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
        let at = match tokens.len() {
            7 => 2,
            9.. => 4,
            _ => return None,
        };
        Some(Self {
            delivered: tokens[at].parse().ok()?,
            seq: tokens[at + 1].parse().ok()?,
            consumer_seq: tokens[at + 2].parse().ok()?,
            stored_ns: tokens[at + 3].parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_an_ack_subject_are_read() {
        let numbers =
            AckSubject { delivered: 3, seq: 17, consumer_seq: 9, stored_ns: 1_795_435_200 };
        let expected = Some(numbers);
        for reply in [
            "$JS.ACK.NAQ_Q_mail.workers.3.17.9.1795435200.5",
            "$JS.ACK._.ACCHASH.NAQ_Q_mail.workers.3.17.9.1795435200.5",
            "$JS.ACK.hub.ACCHASH.NAQ_Q_mail.workers.3.17.9.1795435200.5.rnd",
        ] {
            assert_eq!(AckSubject::parse(reply), expected, "{reply}");
        }
        let written = numbers.to_subject("NAQ_Q_mail");
        assert_eq!(written, "$JS.ACK.NAQ_Q_mail.workers.3.17.9.1795435200.0");
        assert_eq!(AckSubject::parse(&written), expected);
        for bad in ["", "$JS.ACK.", "$JS.ACK.S.workers.3.17", "$JS.ACK.S.w.x.17.9.1.5", "_INBOX.a"]
        {
            assert_eq!(AckSubject::parse(bad), None, "{bad}");
        }
    }
}
