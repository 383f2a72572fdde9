//! The dashboard over a real broker and real workers, in a real Chromium: what is shown, and what the
//! broker holds after each thing that a visitor does.

mod company;
mod ledger;
mod pages;
mod world;
