//! [`Message`]: one message of the run.

use naq_testing::MALFORMED;

use crate::QUEUE;

/// A job with all fields, whose bytes are changed at random.
const WHOLE: &[u8] = br#"{"v":1,"id":"x","queue":"fuzz","task":"greet","args":{"to":"ann","n":[1,2,3]},
"policy":{"max_retries":3,"delay":[1,2],"strategy":"exponential","jitter":"full"},"timeout_ms":5000,
"enqueued_at":"2026-11-23T12:00:00.000Z","tags":["a"],"nonce":"0a1b2c3d4e5f","attempt":1,"crashes":0}"#;
/// Where the version is in it.
const VERSION: usize = 5;
/// Of so many messages one has headers that may break a client, and as many have odd subjects. Each breaks the
/// connections of a worker and costs a second, so that more of them would be most of a long run.
const BROKEN: u64 = 2_000;

/// Ends of subjects that make the id invalid. None is white space or a wildcard of the protocol.
const ODD_ENDS: [(&[u8], Name); 7] = [
    (b"\xff", Name::Invalid),
    (b"\x0b", Name::Padded),
    ("\u{a0}".as_bytes(), Name::Padded),
    ("\u{e4}".as_bytes(), Name::Invalid),
    (b"%", Name::Invalid),
    (b".x", Name::Invalid),
    (b"\x01", Name::Invalid),
];

/// One message.
pub(crate) struct Message {
    pub(crate) subject: Vec<u8>,
    pub(crate) headers: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) name: Name,
}

/// Whether the subject of a message names the job `f<n>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Valid,
    /// With white space at its end that is none of the protocol. The broker keeps it, and the client drops it: so
    /// NAQ gives an id to the message, or it ends as `f<n>`.
    Padded,
    /// NAQ gives an id to the message.
    Invalid,
}

impl Message {
    /// The message with this number. The first ones have each malformed header and subject once.
    pub(crate) fn new(seed: u64, n: u64) -> Self {
        let seed = seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut subject = format!("naq.q.{QUEUE}.f{n}").into_bytes();
        let malformed = usize::try_from(n).ok().and_then(|n| MALFORMED.get(n));
        if let Some(malformed) = malformed {
            subject.extend_from_slice(malformed.subject);
            let name = if malformed.subject.is_empty() { Name::Valid } else { Name::Invalid };
            let headers = malformed.headers.to_vec();
            return Self { subject, headers, body: body(&mut rng), name };
        }
        let mut name = Name::Valid;
        if rng.u64(0..BROKEN) == 0 {
            let (end, of_end) = ODD_ENDS[rng.usize(0..ODD_ENDS.len())];
            subject.extend_from_slice(end);
            name = of_end;
        }
        Self { subject, headers: headers(&mut rng), body: body(&mut rng), name }
    }
}

fn bytes(rng: &mut fastrand::Rng, most: usize) -> Vec<u8> {
    (0..rng.usize(0..=most)).map(|_| rng.u8(..)).collect()
}

fn body(rng: &mut fastrand::Rng) -> Vec<u8> {
    match rng.u8(0..20) {
        0 => bytes(rng, 200),
        1 | 2 => WHOLE[..rng.usize(0..WHOLE.len())].to_vec(),
        3..7 => {
            let mut changed = WHOLE.to_vec();
            for _ in 0..rng.usize(1..8) {
                let at = rng.usize(0..changed.len());
                changed[at] = rng.u8(..);
            }
            if changed[VERSION].is_ascii_digit() {
                // A job of a newer version waits a day for a newer worker, in its queue.
                changed[VERSION] = b'1';
            }
            changed
        }
        7 => ["[", "{\"a\":", "\u{91}"][rng.usize(0..3)].repeat(rng.usize(1..2_000)).into_bytes(),
        8 => format!(r#"{{"task":"greet","args":"{}"}}"#, "x".repeat(rng.usize(0..20_000))).into(),
        9 => format!(r#"{{"task":"greet","args":"naq:lz4:1:{}"}}"#, letters(rng)).into_bytes(),
        _ => format!(r#"{{"task":"greet","args":{}}}"#, rng.u32(..)).into_bytes(),
    }
}

/// Letters, which are base64 of any bytes.
fn letters(rng: &mut fastrand::Rng) -> String {
    (0..rng.usize(0..60)).map(|_| rng.alphanumeric()).collect()
}

fn headers(rng: &mut fastrand::Rng) -> Vec<u8> {
    const NAMES: [&str; 8] = [
        "Content-Type",
        "Naq-Step",
        "Naq-Suspect",
        "Naq-Raw-Headers",
        "Naq-Unreadable",
        "Naq-Awaited",
        "X-Own",
        "traceparent",
    ];
    const VALUES: [&str; 7] =
        ["application/json", "application/msgpack", "text/x", "a/1/0", "1", "\u{e4}\u{2028}", ""];
    if rng.u64(0..BROKEN) == 0 {
        return match rng.u8(0..3) {
            0 => MALFORMED[rng.usize(0..MALFORMED.len())].headers.to_vec(),
            1 => [b"NATS/1.0\r\nA: ".to_vec(), bytes(rng, 40), b"\r\n\r\n".to_vec()].concat(),
            _ => [bytes(rng, 20), b"\r\n\r\n".to_vec()].concat(),
        };
    }
    if rng.bool() {
        return Vec::new();
    }
    let mut block = b"NATS/1.0\r\n".to_vec();
    for _ in 0..rng.usize(1..4) {
        let name = NAMES[rng.usize(0..NAMES.len())];
        let value = VALUES[rng.usize(0..VALUES.len())];
        block.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    [block, b"\r\n".to_vec()].concat()
}
