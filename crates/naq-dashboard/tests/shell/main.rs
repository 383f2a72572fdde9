//! The dashboard's frame over HTTP and a broker in memory: overview, queues, workers, broker, what was
//! done; live streams; a broker that goes away.

mod actions;
mod live;
mod outage;
mod pages;
mod site;
