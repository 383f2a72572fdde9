//! The dashboard with a real broker and real workers, in a real Chromium: what pages show, and what the
//! broker holds after each action of a visitor.

mod dead;
mod failures;
mod jobs;
mod keyboard;
mod outage;
mod pages;
mod queues;
mod sample_data;
mod schedules_and_workflows;
mod setup;
mod simulator;
mod statistics;
mod storm;
mod styles;
mod workers;
