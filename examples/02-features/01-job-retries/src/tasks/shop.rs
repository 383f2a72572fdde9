//! The state that the handlers share: stand-ins for the services of a shop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A payment gateway, an export service and a cache of prices. Clones are the same shop.
#[derive(Debug, Clone, Default)]
pub struct Shop {
    accounts: Arc<Mutex<HashMap<String, Account>>>,
}

/// What the payment gateway has counted for one idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// How often a handler asked it to charge.
    pub calls: u32,
    /// How often it charged.
    pub charges: u32,
}

impl Shop {
    /// Charges a card as payment gateways do: the same idempotency key is the same charge.
    pub fn charge(&self, key: &str) -> Account {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(key.to_owned()).or_default();
        account.calls += 1;
        if account.charges == 0 {
            account.charges += 1;
        }
        *account
    }

    /// Whether the export of this key is ready. The first call orders it, so it is ready at the second.
    pub fn export_ready(&self, key: &str) -> bool {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(format!("export {key}")).or_default();
        account.calls += 1;
        account.calls > 1
    }

    /// The last known price, in cents.
    pub fn cached_price(&self, item: &str) -> Option<u32> {
        (item == "socks").then_some(399)
    }
}
