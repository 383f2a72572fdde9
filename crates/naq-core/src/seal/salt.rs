//! [`Salt`]: random bytes, from which the key of one value is made.

use ring::rand::{SecureRandom, SystemRandom};

/// The length of a salt, in bytes.
pub(super) const SALT: usize = 24;

/// Random bytes, from which the key of one value is made. Each value needs its own.
#[derive(Debug, Clone, Copy)]
pub struct Salt(pub(super) [u8; SALT]);

impl Salt {
    /// A new salt, from the random numbers of the operating system.
    ///
    /// # Panics
    /// If the operating system has none.
    pub fn random() -> Self {
        Self(random_bytes())
    }

    /// These bytes, for tests.
    pub fn from_bytes(bytes: [u8; SALT]) -> Self {
        Self(bytes)
    }
}

pub(super) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.unwrap_or_else(|_| panic!("the operating system has no random numbers"));
    bytes
}
