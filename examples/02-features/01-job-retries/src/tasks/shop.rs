//! The state that the handlers share: stand-ins for what a shop would talk to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A payment gateway, an export service and a cache of prices. Clones are the same shop.
#[derive(Debug, Clone, Default)]
pub struct Shop {
    books: Arc<Mutex<HashMap<String, Account>>>,
}

/// What the payment gateway has seen of one idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// How often it was asked to charge.
    pub calls: u32,
    /// How often it did.
    pub charges: u32,
}

impl Shop {
    /// Charges a card, as all gateways do it: the same idempotency key is the same charge.
    pub fn charge(&self, key: &str) -> Account {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let account = books.entry(key.to_owned()).or_default();
        account.calls += 1;
        if account.charges == 0 {
            account.charges += 1;
        }
        *account
    }

    /// Whether the export of this key is ready. The first call orders it, and it takes a while.
    pub fn export_ready(&self, key: &str) -> bool {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let account = books.entry(format!("export {key}")).or_default();
        account.calls += 1;
        account.calls > 1
    }

    /// The last price known, in cents.
    pub fn cached_price(&self, item: &str) -> Option<u32> {
        (item == "socks").then_some(399)
    }
}
