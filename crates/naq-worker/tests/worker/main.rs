//! The worker's behaviour, through its public API, over the transport in memory.

mod bench;
mod breaker;
mod budget;
mod cancel;
mod classify;
mod context;
mod crash;
mod doors;
mod drain;
mod fallback;
mod handlers;
mod hooks;
mod kept;
mod lease;
mod malformed;
mod outage;
mod own_threads;
mod queues;
mod limits;
mod retries;
mod unique;
mod unknown;
mod schedules;
mod shares;
