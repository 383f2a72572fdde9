//! The bank, behind a trait.

use naq::{Advice, ErrorKind, JobError};

/// Moves money.
pub trait Bank: std::fmt::Debug + Send + Sync {
    /// Charges for an order. All calls for one order have the same `key`, so that the bank charges once.
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
    /// The bank is down. A retry may help.
    #[error("the bank does not answer")]
    Down,
    /// A retry does not help.
    #[error("the card was declined")]
    Declined,
}

impl JobError for BankError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Down => ErrorKind::CONNECTION,
            Self::Declined => ErrorKind::VALUE,
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::Down => Advice::Policy,
            Self::Declined => Advice::Fatal,
        }
    }
}
