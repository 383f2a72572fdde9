//! A bank for tests.

use std::sync::{Arc, Mutex};

use naq::Registry;
use testing_jobs::bank::{Bank, BankError, Receipt};
use testing_jobs::jobs::{Shop, registry};

/// Does not answer the first calls, and then always gives the same answer.
#[derive(Debug)]
pub(crate) struct FakeBank {
    no_answers: Mutex<u32>,
    then: Result<(), BankError>,
}

impl FakeBank {
    /// Answers at once.
    pub(crate) fn open() -> Arc<Self> {
        Self::down(0)
    }

    /// Answers after this many calls without an answer.
    pub(crate) fn down(times: u32) -> Arc<Self> {
        Arc::new(Self { no_answers: Mutex::new(times), then: Ok(()) })
    }

    /// Declines every card.
    pub(crate) fn declining() -> Arc<Self> {
        Arc::new(Self { no_answers: Mutex::new(0), then: Err(BankError::Declined) })
    }
}

impl Bank for FakeBank {
    fn charge(&self, order: u32, _key: &str) -> Result<Receipt, BankError> {
        let mut no_answers = self.no_answers.lock().expect("not poisoned");
        if *no_answers > 0 {
            *no_answers -= 1;
            return Err(BankError::Down);
        }
        self.then.map(|()| format!("receipt {order}"))
    }
}

/// The handlers of the shop, with this bank.
pub(crate) fn shop(bank: Arc<FakeBank>) -> Registry<Shop> {
    registry(Shop { bank })
}
