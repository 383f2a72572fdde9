//! The dashboard over a real broker and real workers, in a real Chromium: what is shown, and what the
//! broker holds after each thing that a visitor does.

mod company;
mod dead;
mod failures;
mod flows;
mod jobs;
mod keyboard;
mod ledger;
mod looks;
mod outage;
mod pages;
mod queues;
mod simulator;
mod storm;
mod workers;
mod world;
