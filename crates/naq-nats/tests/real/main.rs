//! Tests against real servers, for what an in-memory broker cannot show.

mod support;

mod accounts;
mod auth;
mod clock_skew;
mod delivery;
mod early;
mod eviction;
mod foreign;
mod forgotten;
mod full_store;
mod large;
mod lost_tail;
mod malformed;
mod migrate;
mod network;
mod permissions;
mod refusals;
mod remove;
mod resend;
mod restart;
mod starting;
mod state_store;
mod stats;
mod topology;
mod uptime;
