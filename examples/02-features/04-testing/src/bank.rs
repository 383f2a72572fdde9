//! The bank, behind a trait.

use naq::{Advice, ErrorKind, JobError};

/// Moves money.
pub trait Bank: std::fmt::Debug + Send + Sync {
    /// Charges for an order. `key` is the same however often it is asked, so that it charges once.
    ///
    /// # Errors
    /// [`BankError`].
    fn charge(&self, order: u32, key: &str) -> Result<Receipt, BankError>;
}

/// The number of a payment.
pub type Receipt = String;

/// Why there was no payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BankError {
    /// Nobody is there; later somebody may be.
    #[error("the bank does not answer")]
    Away,
    /// It will not get better.
    #[error("the card was declined")]
    Declined,
}

impl JobError for BankError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Away => ErrorKind::CONNECTION,
            Self::Declined => ErrorKind::VALUE,
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::Away => Advice::Policy,
            Self::Declined => Advice::Fatal,
        }
    }
}
