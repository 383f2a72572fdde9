//! The built binary, as people and scripts meet it.

mod access;
mod bench;
mod dev;
mod dlq;
mod help;
mod hostile;
mod jobs;
mod output;
mod queues;
mod retry;
mod run;
mod usage;
mod worker;
