//! The shop's worker: `cargo run -p testing-jobs -- worker payments default mail`.

use std::process::ExitCode;
use std::sync::Arc;

use testing_jobs::bank::{Bank, BankError, Receipt};
use testing_jobs::jobs::{Shop, registry};

/// Takes all cards.
#[derive(Debug)]
struct Generous;

impl Bank for Generous {
    fn charge(&self, order: u32, key: &str) -> Result<Receipt, BankError> {
        Ok(format!("{order}/{key}"))
    }
}

fn main() -> ExitCode {
    naq_cli::main(registry(Shop { bank: Arc::new(Generous) }))
}
