//! What becomes of ticks that come late, and of those that meet a run.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ScheduleFault;

/// The most missed ticks that are considered: the last thousand.
pub const MAX_CATCH_UP: usize = 1_000;

/// What becomes of ticks whose time passed while no worker or no broker was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CatchUp {
    /// None of them runs, but for one that is no later than [`ON_TIME`](super::ON_TIME).
    Skip,
    /// The last of them runs, however late.
    #[default]
    Last,
    /// All of them run, each with its own id; the last [`MAX_CATCH_UP`](super::MAX_CATCH_UP) at most.
    All,
}

/// What a tick does while the run before it has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overlap {
    /// It runs beside it.
    #[default]
    Allow,
    /// It does not run.
    Skip,
    /// It waits until that run has ended. One waits at most; further ticks do not run.
    Queue,
}

macro_rules! text {
    ($ty:ident, $what:literal, $($name:literal = $variant:ident),*) => {
        impl $ty {
            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $ty {
            type Err = ScheduleFault;

            fn from_str(text: &str) -> Result<Self, ScheduleFault> {
                match text {
                    $($name => Ok(Self::$variant),)*
                    _ => {
                        let shown: String = text.chars().take(40).collect();
                        let known = [$($name),*].join(", ");
                        Err(ScheduleFault::Option(format!(
                            concat!("unknown ", $what, " {:?}: use one of {}"), shown, known
                        )))
                    }
                }
            }
        }
    };
}

text!(CatchUp, "catch-up", "skip" = Skip, "last" = Last, "all" = All);
text!(Overlap, "overlap", "allow" = Allow, "skip" = Skip, "queue" = Queue);
