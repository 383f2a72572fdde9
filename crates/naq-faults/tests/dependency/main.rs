//! Breakers and retry budgets with real worker processes, some of which are killed, and a service that
//! goes down and recovers. The service sees every call, and the tests check what it saw.

#![expect(clippy::unwrap_used, reason = "test helpers may panic, as tests do")]

mod breaker;
mod budget;
mod service;
mod setup;
