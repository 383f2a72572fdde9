//! The transport on a cluster of three servers, with three copies of each stream.
//!
//! `NAQ_CLUSTER_TESTS=all` checks all behaviours of the contract, and not only those in which a cluster
//! may differ from one server.

mod contract;
mod lag;
mod replicas;
