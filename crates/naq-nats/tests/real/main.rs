//! Against real servers: what a model of a broker cannot show.

mod support;

mod auth;
mod delivery;
mod foreign;
mod network;
mod permissions;
mod restart;
mod shared_state;
mod skew;
mod stats;
mod topology;
