//! A circuit breaker as data, with two pure functions: [`may_start`] decides whether a call may start,
//! and [`step`] gives the next state of the breaker after an event. They do no I/O and read no clock,
//! so that they can be used alone.
//!
//! ```text
//!            too many failures                  open time is over
//!   closed ---------------------> open -----------------------------> half open
//!     ^                             ^   <----------------------------    |
//!     |                             |          a probe failed            |
//!     |      too many failures      |                                    | enough probes
//!     +--- recovering --------------+                                    | succeeded
//!  recovery     ^                                                        |
//!   is over     +--------------------------------------------------------+
//! ```
//!
//! ```
//! use std::time::Duration;
//!
//! use naq_core::Timestamp;
//! use naq_core::flow::breaker::{
//!     BreakerConfig, BreakerEvent, BreakerState, MayStart, Phase, may_start, step,
//! };
//!
//! let secs = Duration::from_secs;
//! let config = BreakerConfig::new().failures(3).open_for(secs(10)).recovery(secs(60));
//! let mut state = BreakerState::default();
//! let mut now = Timestamp::from_millis(0);
//!
//! // Three calls fail. The breaker opens, and says when the next call may ask again.
//! for _ in 0..3 {
//!     assert_eq!(may_start(&config, &state, now, 0.5), MayStart::Go);
//!     state = step(&config, &state, &BreakerEvent::failed(&config, &state, now), now);
//! }
//! assert!(matches!(may_start(&config, &state, now, 0.5), MayStart::Wait(until) if until > now));
//!
//! // The open time is over: one probe may start, and no other call.
//! now = now + secs(10);
//! assert_eq!(may_start(&config, &state, now, 0.5), MayStart::Probe);
//! let taken = BreakerEvent::ProbeTaken { id: "call 4".into(), until: now + secs(30) };
//! state = step(&config, &state, &taken, now);
//! assert!(state.has_probe("call 4", now));
//! assert!(matches!(may_start(&config, &state, now, 0.5), MayStart::Wait(_)));
//!
//! // The probe fails: the breaker opens again, for twice as long.
//! let failed = BreakerEvent::ProbeEnded { id: "call 4".into(), success: Some(false) };
//! state = step(&config, &state, &failed, now);
//! assert!(matches!(state.phase, Phase::Open { until: Some(t), .. } if t == now + secs(20)));
//! ```

mod config;
mod entry;
mod event;
mod phase;
mod start;
mod step;
mod window;

pub use config::BreakerConfig;
pub use entry::BreakerEntry;
pub use event::BreakerEvent;
pub use phase::{BreakerState, Phase, Probe};
pub use start::{MayStart, may_start};
pub use step::step;
pub use window::Window;
