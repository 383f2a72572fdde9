//! The dependency: a bank that goes down, and what its errors mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use naq::{Advice, ErrorKind, JobError};

/// Why the bank did not do as it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BankError {
    /// Nobody answers.
    #[error("the bank does not answer")]
    Down,
    /// Too many requests; it says when to come back.
    #[error("the bank is busy, come back in {0:?}")]
    Busy(Duration),
    /// The bank said no, and will say so again.
    #[error("card {0} was declined")]
    Declined(String),
}

/// The class of an error decides what follows: a kind that passes is retried, and opens the breaker
/// when there are too many; one that says when to come back is obeyed; one that never passes ends
/// the job.
impl JobError for BankError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Down => ErrorKind::CONNECTION,
            Self::Busy(_) => ErrorKind::http(429),
            Self::Declined(_) => "PaymentError.declined".into(),
        }
    }

    fn advice(&self) -> Advice {
        match self {
            Self::Down => Advice::Policy,
            Self::Busy(wait) => Advice::RetryAfter(*wait),
            Self::Declined(_) => Advice::Fatal,
        }
    }
}

/// A bank. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Bank(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_down: AtomicBool,
    was_busy: AtomicBool,
    calls: AtomicU32,
}

impl Bank {
    /// It goes down, or comes back.
    pub fn set_down(&self, down: bool) {
        self.0.is_down.store(down, Ordering::SeqCst);
    }

    /// How often it was called.
    pub fn calls(&self) -> u32 {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// Charges a card.
    ///
    /// # Errors
    /// As the card and the hour have it.
    pub fn charge(&self, card: &str) -> Result<String, BankError> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        if self.0.is_down.load(Ordering::SeqCst) {
            return Err(BankError::Down);
        }
        match card {
            "expired" => Err(BankError::Declined(card.to_owned())),
            // Once.
            "popular" if !self.0.was_busy.swap(true, Ordering::SeqCst) => {
                Err(BankError::Busy(Duration::from_millis(50)))
            }
            _ => Ok(format!("receipt for {card}")),
        }
    }

    /// Today's rate of a currency. This part of the bank is always down.
    ///
    /// # Errors
    /// [`BankError::Down`].
    pub fn rate(&self, _currency: &str) -> Result<f64, BankError> {
        Err(BankError::Down)
    }
}
