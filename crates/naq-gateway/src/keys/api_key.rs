//! [`ApiKey`]: one caller of the gateway, and what it may do.

use std::fmt;
use std::fmt::Write;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use super::Allowed;

/// The beginning of every secret, so that scanners of source code find one that was committed.
const PREFIX: &str = "naqk_";
/// How the hash is written.
const HASH: &str = "sha256:";
/// The longest name, in bytes.
const MAX_NAME: usize = 64;

/// One caller of the gateway, and what it may do. The gateway knows only the hash of the secret. A secret
/// has 256 random bits, so a plain SHA-256 is enough: no attacker can try them all.
///
/// As text it is one line: `web sha256:HEX queues=mail tasks=email.* rate=50 may=enqueue`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiKey {
    /// The name, for logs and for the audit log.
    pub name: String,
    /// The SHA-256 hash of the secret.
    hash: [u8; 32],
    /// The queues that it may use. All by default.
    pub queues: Allowed,
    /// The tasks that it may use. All by default.
    pub tasks: Allowed,
    /// How many requests and jobs it may send in a second; no limit by default.
    pub rate: Option<u32>,
    /// Whether it may also act as an operator: retry now, the dead letters, and the lists of queues, workers
    /// and schedules. Otherwise it may enqueue, read and cancel jobs. False by default.
    pub may_operate: bool,
}

/// The hash under which a secret is known.
pub(crate) fn hash(secret: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    bytes
}

impl ApiKey {
    /// A new key that may use all queues and tasks, and its secret. The secret is not stored anywhere.
    ///
    /// # Errors
    /// A sentence that says which names are allowed, or that the machine has no random numbers.
    pub fn generate(name: &str) -> Result<(Self, String), String> {
        check_name(name)?;
        let mut random = [0; 32];
        let filled = SystemRandom::new().fill(&mut random);
        filled.map_err(|_| "the machine gives no random numbers".to_owned())?;
        let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
        let key = Self {
            name: name.to_owned(),
            hash: hash(&secret),
            queues: Allowed::All,
            tasks: Allowed::All,
            rate: None,
            may_operate: false,
        };
        Ok((key, secret))
    }

    pub(crate) fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
    match !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(plain) {
        true => Ok(()),
        false => {
            Err("the name of a key is 1 to 64 letters, digits, `_`, `-`, `.` or `@`".to_owned())
        }
    }
}

fn read_hash(text: &str) -> Option<[u8; 32]> {
    let hex = text.strip_prefix(HASH).filter(|hex| hex.len() == 64 && hex.is_ascii())?;
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(hash)
}

impl FromStr for ApiKey {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        check_name(name)?;
        let hash = words.next().and_then(read_hash);
        let hash = hash.ok_or("the second word must be sha256: and 64 hexadecimal digits")?;
        let mut key = Self {
            name: name.to_owned(),
            hash,
            queues: Allowed::All,
            tasks: Allowed::All,
            rate: None,
            may_operate: false,
        };
        for word in words {
            match word.split_once('=').unwrap_or((word, "")) {
                ("queues", names) => {
                    key.queues = names.parse().map_err(|why| format!("queues: {why}"))?
                }
                ("tasks", names) => {
                    key.tasks = names.parse().map_err(|why| format!("tasks: {why}"))?
                }
                ("rate", count) => {
                    let rate = count.parse().ok().filter(|rate| *rate > 0);
                    key.rate = Some(rate.ok_or("rate: use a whole number from 1")?);
                }
                ("may", "enqueue") => key.may_operate = false,
                ("may", "operate") => key.may_operate = true,
                _ => {
                    return Err(format!(
                        "{:?} is not known: use queues=, tasks=, rate=, may=enqueue or may=operate",
                        word.chars().take(40).collect::<String>()
                    ));
                }
            }
        }
        Ok(key)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = self.hash.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        write!(f, "{} {HASH}{hex} queues={} tasks={}", self.name, self.queues, self.tasks)?;
        if let Some(rate) = self.rate {
            write!(f, " rate={rate}")?;
        }
        f.write_str(if self.may_operate { " may=operate" } else { " may=enqueue" })
    }
}
