//! The dashboard's frame over HTTP and a broker in memory: overview, queues, workers, broker, what was
//! done; live streams; a broker that goes away.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod actions;
mod live;
mod outage;
mod pages;
mod record;
mod site;
