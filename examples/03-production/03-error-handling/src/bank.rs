//! The external service: a bank that goes down, and the kinds of its errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use naq::{Advice, ErrorKind, JobError};

/// Why the bank refused a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BankError {
    /// The bank does not answer.
    #[error("the bank does not answer")]
    Down,
    /// Too many requests; it says when to come back.
    #[error("the bank is busy, come back in {0:?}")]
    Busy(Duration),
    /// The bank refused, and a retry does not change that.
    #[error("card {0} was declined")]
    Declined(String),
}

/// Kind and advice decide what follows. A temporary error is retried, and opens the breaker if there are
/// too many. If the bank says when to come back, the retry waits that long. A permanent error ends the
/// job.
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

/// A bank. Clones are the same bank.
#[derive(Debug, Clone, Default)]
pub struct Bank(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_down: AtomicBool,
    was_busy: AtomicBool,
    calls: AtomicU32,
}

impl Bank {
    /// Makes the bank go down, or come back.
    pub fn set_down(&self, down: bool) {
        self.0.is_down.store(down, Ordering::SeqCst);
    }

    /// How many calls the bank received.
    pub fn calls(&self) -> u32 {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// Charges a card.
    ///
    /// # Errors
    /// [`BankError`], as the card and the state of the bank decide.
    pub fn charge(&self, card: &str) -> Result<String, BankError> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        if self.0.is_down.load(Ordering::SeqCst) {
            return Err(BankError::Down);
        }
        match card {
            "expired" => Err(BankError::Declined(card.to_owned())),
            // Only the first call.
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
