//! A bank for tests.

use std::sync::{Arc, Mutex};

use naq::Registry;
use testing_jobs::bank::{Bank, BankError, Receipt};
use testing_jobs::jobs::{Shop, registry};

/// Does not answer a few times, and then answers always the same.
#[derive(Debug)]
pub(crate) struct FakeBank {
    away: Mutex<u32>,
    then: Result<(), BankError>,
}

impl FakeBank {
    /// Answers at once.
    pub(crate) fn open() -> Arc<Self> {
        Self::away(0)
    }

    /// Answers after so many calls in vain.
    pub(crate) fn away(times: u32) -> Arc<Self> {
        Arc::new(Self { away: Mutex::new(times), then: Ok(()) })
    }

    /// Takes no card.
    pub(crate) fn strict() -> Arc<Self> {
        Arc::new(Self { away: Mutex::new(0), then: Err(BankError::Declined) })
    }
}

impl Bank for FakeBank {
    fn charge(&self, order: u32, _key: &str) -> Result<Receipt, BankError> {
        let mut away = self.away.lock().expect("not poisoned");
        if *away > 0 {
            *away -= 1;
            return Err(BankError::Away);
        }
        self.then.map(|()| format!("receipt {order}"))
    }
}

/// The handlers of the shop, with this bank.
pub(crate) fn shop(bank: Arc<FakeBank>) -> Registry<Shop> {
    registry(Shop { bank })
}
