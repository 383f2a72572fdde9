//! The dashboard over HTTP and an in-memory broker: overview, queues, workers, broker, audit log; live
//! streams; a broker that goes away.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod actions;
mod audit;
mod live;
mod outage;
mod pages;
mod runs;
mod test_dashboard;
