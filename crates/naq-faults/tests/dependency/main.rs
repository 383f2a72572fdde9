//! Breakers and retry budgets over real worker processes, some of them killed, against a service
//! that goes down and comes back. The service sees every call: what it saw is what is judged.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod breaker;
mod budget;
mod scene;
mod service;
