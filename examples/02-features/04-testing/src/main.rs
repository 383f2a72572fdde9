//! The shop's worker: `cargo run -p testing-jobs -- worker payments default mail`.

use std::process::ExitCode;
use std::sync::Arc;

use testing_jobs::bank::{Bank, BankError, Receipt};
use testing_jobs::jobs::{Shop, registry};

/// Accepts all cards.
#[derive(Debug)]
struct AcceptingBank;

impl Bank for AcceptingBank {
    fn charge(&self, order: u32, key: &str) -> Result<Receipt, BankError> {
        Ok(format!("{order}/{key}"))
    }
}

fn main() -> ExitCode {
    naq_cli::main(registry(Shop { bank: Arc::new(AcceptingBank) }))
}
